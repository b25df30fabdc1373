/* The bench's end of diodeq's line protocol, version 1, for an ATmega328 at 16 MHz: guide/instruments.md. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/pgmspace.h>
#include <avr/wdt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <util/atomic.h>
#include <util/delay.h>

#include "chips.h"
#include "config.h"

enum { SEQUENCES_LOG2 = 16, NUMBERS = 64 };

/* --- time and the serial line ----------------------------------------------------------------------------------- */

static volatile uint16_t ticks; /* milliseconds */
static volatile uint8_t ring[64], head, tail, lost;

ISR(TIMER0_COMPA_vect)
{
    ticks++;
}

ISR(USART_RX_vect)
{
    uint8_t byte = UDR0, next = (head + 1) & 63;
    if (next == tail)
        lost = 1;
    else {
        ring[head] = byte;
        head = next;
    }
}

static uint16_t now(void)
{
    uint16_t found;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { found = ticks; }
    return found;
}

static void put(uint8_t byte)
{
    while (!(UCSR0A & _BV(UDRE0)))
        ;
    UDR0 = byte;
}

/* --- lines ------------------------------------------------------------------------------------------------------ */

static const uint32_t table[16] PROGMEM = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

static uint32_t checksum(const char *text, uint8_t size)
{
    uint32_t found = 0xffffffff;
    while (size--) {
        found ^= (uint8_t)*text++;
        found = found >> 4 ^ pgm_read_dword(&table[found & 15]);
        found = found >> 4 ^ pgm_read_dword(&table[found & 15]);
    }
    return ~found;
}

static void say(const char *text)
{
    uint8_t size = strlen(text), k;
    uint32_t check = checksum(text, size);
    while (size--)
        put(*text++);
    put('*');
    for (k = 8; k--;)
        put("0123456789abcdef"[check >> 4 * k & 15]);
    put('\n');
}

/* Whether a line of that size is sound; what it says then ends where its checksum began. */
static uint8_t sound(char *line, uint8_t size)
{
    uint32_t check = 0;
    uint8_t k;
    if (size && line[size - 1] == '\r')
        size--;
    if (size < 9 || line[size - 9] != '*')
        return 0;
    for (k = size - 8; k < size; k++) {
        char c = line[k];
        if (c >= '0' && c <= '9')
            c -= '0';
        else if (c >= 'a' && c <= 'f')
            c -= 'a' - 10;
        else
            return 0;
        check = check << 4 | c;
    }
    for (k = 0; k < size - 9; k++)
        if (line[k] < ' ' || line[k] > '~' || line[k] == '*')
            return 0;
    line[size - 9] = 0;
    return check == checksum(line, size - 9);
}

/* --- what is set and read --------------------------------------------------------------------------------------- */

static int16_t taps[TAPS], drives[DRIVES], injections[INJECTIONS], found[READS];
static uint8_t staged_drives[DRIVES], staged_injections[INJECTIONS];
static uint16_t heard;
static uint8_t resting;

static void converters(uint8_t act)
{
    uint8_t k;
    for (k = 0; k < DRIVES; k++)
        dac_write(k, DAC_MIDDLE + (act ? drives[k] : 0));
    for (k = 0; k < INJECTIONS; k++)
        dac_write((DRIVES + 1) / 2 * 2 + k, DAC_MIDDLE + (act ? injections[k] : 0));
    dac_latch();
}

static void leave(void)
{
    converters(0);
    memset(staged_drives, 0, sizeof staged_drives);
    memset(staged_injections, 0, sizeof staged_injections);
    resting = 1;
}

static uint8_t all(const uint8_t *flags, uint8_t count)
{
    while (count--)
        if (!*flags++)
            return 0;
    return 1;
}

/* --- commands --------------------------------------------------------------------------------------------------- */

static char reply[LINE];
static int32_t number[NUMBERS];
static uint8_t numbers;

static void add(const char *text)
{
    uint8_t have = strlen(reply);
    strncpy(reply + have, text, LINE - 12 - have);
    reply[LINE - 12] = 0;
}

static void add_P(const char *text)
{
    char buffer[64];
    strncpy_P(buffer, text, sizeof buffer - 1);
    buffer[sizeof buffer - 1] = 0;
    add(buffer);
}

static uint8_t add_number(int32_t value)
{
    char buffer[14] = " ";
    ltoa(value, buffer + 1, 10);
    if (strlen(reply) + strlen(buffer) > LINE - 12)
        return 0;
    add(buffer);
    return 1;
}

static void limit(int16_t low, int16_t high)
{
    add_P(PSTR("no limit"));
    add_number(low);
    add_number(high);
}

static void stage(int16_t *codes, uint8_t *flags, uint8_t count, int16_t low, int16_t high)
{
    uint8_t k;
    if (numbers < 2 || number[0] < 0 || number[0] + numbers - 1 > count) {
        add_P(PSTR("no channel"));
        return;
    }
    for (k = 1; k < numbers; k++)
        if (number[k] < low || number[k] > high) {
            limit(low, high);
            return;
        }
    for (k = 1; k < numbers; k++) {
        codes[number[0] + k - 1] = number[k];
        if (flags)
            flags[number[0] + k - 1] = 1;
    }
    add_P(PSTR("ok"));
}

static void set(void)
{
    uint8_t k;
    for (k = 0; k < TAPS; k++) {
        wdt_reset();
        tap_write(k, taps[k]);
        if (tap_read(k) != taps[k]) {
            add_P(PSTR("no body the potentiometer does not take tap"));
            add_number(k);
            return;
        }
    }
    add_P(PSTR("ok"));
}

static void get(void)
{
    uint8_t k;
    if (numbers != 1 || number[0] < 0 || number[0] >= TAPS) {
        add_P(PSTR("no channel"));
        return;
    }
    add_P(PSTR("ok"));
    for (k = number[0]; k < TAPS; k++) {
        int16_t code = tap_read(k);
        wdt_reset();
        if (code < 0) {
            *strchr(reply, ' ') = 0;
            add_P(PSTR(" no body the potentiometer does not tell tap"));
            add_number(k);
            return;
        }
        if (!add_number(code))
            return;
    }
}

static void more(uint8_t from)
{
    add_P(PSTR("ok"));
    while (from < READS && add_number(found[from]))
        from++;
}

static void read_all(void)
{
    uint8_t k, good = 1;
    if (!all(staged_drives, DRIVES) || !all(staged_injections, INJECTIONS)) {
        add_P(PSTR("no staged"));
        return;
    }
    resting = 0;
    converters(1);
    _delay_ms(SETTLE_MS);
    for (k = 0; k < READS && good; k++) {
        int16_t code = 0;
        wdt_reset();
        good = adc_read(k, &code);
        found[k] = code < 0 ? READ_LOW : code - ADC_MIDDLE; /* below ground there is nothing to read */
    }
    converters(0);
    if (good)
        more(0);
    else {
        add_P(PSTR("no body the converter does not answer for channel"));
        add_number(k - 1);
    }
}

static void hello(void)
{
    uint8_t k;
    if (numbers != 1 || number[0] != 1) {
        add_P(PSTR("no version 1"));
        return;
    }
    leave();
    for (k = 0; k < TAPS; k++) {
        int16_t code = tap_read(k);
        taps[k] = code < 0 ? 0 : code;
    }
    add_P(PSTR("ok diodeq-bench 1"));
    add_number(LINE);
    add_number(SILENCE_MS);
    add_number(1); /* a sample at a time */
    add_number(TAPS);
    add_number(DRIVES);
    add_number(INJECTIONS);
    add_number(0);
    add_number(READS);
    add_P(PSTR(" " IDENTITY));
}

static void limits(void)
{
    static const int16_t ends[] PROGMEM = {TAP_LOW,       TAP_HIGH,       DRIVE_LOW, DRIVE_HIGH, INJECTION_LOW,
                                           INJECTION_HIGH, 0,             0,         READ_LOW,   READ_HIGH};
    uint8_t k;
    add_P(PSTR("ok"));
    for (k = 0; k < 10; k++)
        add_number((int16_t)pgm_read_word(&ends[k]));
}

/* The number that a word is; 0 where it is none. */
static uint8_t whole(const char *word, int32_t *value)
{
    uint8_t digits = 0, minus = *word == '-';
    *value = 0;
    for (word += minus; *word >= '0' && *word <= '9'; word++) {
        if (++digits > 8)
            return 0;
        *value = *value * 10 + (*word - '0');
    }
    if (minus)
        *value = -*value;
    return digits && !*word;
}

static void obey(const char *word)
{
    if (!strcmp_P(word, PSTR("hello")))
        hello();
    else if (!strcmp_P(word, PSTR("tap")))
        stage(taps, 0, TAPS, TAP_LOW, TAP_HIGH);
    else if (!strcmp_P(word, PSTR("drive")))
        stage(drives, staged_drives, DRIVES, DRIVE_LOW, DRIVE_HIGH);
    else if (!strcmp_P(word, PSTR("inject")))
        stage(injections, staged_injections, INJECTIONS, INJECTION_LOW, INJECTION_HIGH);
    else if (!strcmp_P(word, PSTR("hold")))
        add_P(PSTR("no channel"));
    else if (!strcmp_P(word, PSTR("get")))
        get();
    else if (!strcmp_P(word, PSTR("more")) && numbers == 1)
        if (number[0] < 0 || number[0] >= READS)
            add_P(PSTR("no channel"));
        else
            more(number[0]);
    else if (!strcmp_P(word, PSTR("read")) && numbers == 2 && number[1] == 1)
        if (number[0] == 0)
            read_all();
        else
            add_P(PSTR("no staged holds"));
    else if (numbers)
        add_P(PSTR("no command"));
    else if (!strcmp_P(word, PSTR("set")))
        set();
    else if (!strcmp_P(word, PSTR("limits")))
        limits();
    else if (!strcmp_P(word, PSTR("rest"))) {
        converters(0);
        add_P(PSTR("ok"));
    } else if (!strcmp_P(word, PSTR("ping")))
        add_P(PSTR("ok"));
    else
        add_P(PSTR("no command"));
}

static uint8_t session;
static uint16_t last;
static uint32_t last_check;

static void refuse(uint16_t sequence, const char *why)
{
    char text[24];
    ultoa(sequence, text, 10);
    strcat_P(text, why);
    say(text);
}

static void obeyed(char *line)
{
    uint32_t check = checksum(line, strlen(line));
    char *rest = line, *word, *command = 0;
    int32_t value;
    uint8_t good = 1, count = 0;
    while ((word = strsep(&rest, " "))) {
        if (count == 0)
            good = whole(word, &value) && value >= 0 && value < 65536;
        else if (count == 1)
            command = word;
        else if (count - 2 >= NUMBERS || !whole(word, &number[count - 2]))
            command = "";
        if (!good)
            break;
        count++;
    }
    if (!good || count < 2) {
        strcpy_P(line, PSTR("? no command"));
        say(line);
        return;
    }
    numbers = count - 2;
    heard = now();
    resting = 0;
    if (strcmp_P(command, PSTR("hello"))) {
        if (!session) {
            refuse(value, PSTR(" no session"));
            return;
        }
        if (value == last && check == last_check) {
            say(reply); /* it was carried out already */
            return;
        }
        if ((uint16_t)value != (uint16_t)(last + 1)) {
            refuse(value, PSTR(" no sequence"));
            return;
        }
    }
    session = 1;
    last = value;
    last_check = check;
    ultoa(last, reply, 10);
    add(" ");
    obey(command);
    say(reply);
}

int main(void)
{
    static char line[LINE];
    uint8_t size = 0, broken = 0;
    wdt_enable(WDTO_2S); /* whatever hangs: start again, and that is at rest */
    chips_start();
    leave();
    UBRR0 = (F_CPU + 4 * BAUD) / (8 * BAUD) - 1;
    UCSR0A = _BV(U2X0);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
    TCCR0A = _BV(WGM01);
    TCCR0B = _BV(CS01) | _BV(CS00);
    OCR0A = F_CPU / 64 / 1000 - 1;
    TIMSK0 = _BV(OCIE0A);
    sei();
    for (;;) {
        wdt_reset();
        if (!resting && (uint16_t)(now() - heard) > SILENCE_MS)
            leave();
        if (head == tail)
            continue;
        char byte = ring[tail];
        tail = (tail + 1) & 63;
        if (byte != '\n') {
            if (size < LINE)
                line[size++] = byte;
            else
                broken = 1;
            continue;
        }
        broken |= lost;
        lost = 0;
        if (broken) {
            strcpy_P(line, PSTR("? no length"));
            say(line);
        } else if (size && !(size == 1 && *line == '\r')) {
            if (sound(line, size))
                obeyed(line);
            else {
                strcpy_P(line, PSTR("? no checksum"));
                say(line);
            }
        }
        size = broken = 0;
    }
}

/* After a reset by the watchdog it still runs, with its shortest time. */
void early(void) __attribute__((naked, used, section(".init3")));
void early(void)
{
    MCUSR = 0;
    wdt_disable();
}
