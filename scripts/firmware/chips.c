/* MCP4251 and MCP4822 on SPI, ADS1115 on I2C. No wait lasts longer than a few milliseconds, whatever hangs there. */
#include "chips.h"

#include <avr/io.h>
#include <util/delay.h>

#include "config.h"

static uint8_t exchange(uint8_t byte)
{
    SPDR = byte;
    while (!(SPSR & _BV(SPIF)))
        ;
    return SPDR;
}

void chips_start(void)
{
    PORTD |= _BV(ENABLE) | _BV(LATCH) | (7 << DAC_FIRST); /* nothing selected */
    DDRD |= _BV(ENABLE) | _BV(LATCH) | (7 << DAC_FIRST);
    DECODER_DDR |= 0x0f;
    DDRB |= _BV(PB2) | _BV(PB3) | _BV(PB5); /* PB2 must be an output, or the bus may lose its master */
    SPCR = _BV(SPE) | _BV(MSTR) | _BV(SPR0); /* 1 MHz, mode 0 */
    TWSR = 0;
    TWBR = (F_CPU / 400000UL - 16) / 2;
}

static uint16_t pot(uint8_t tap, uint8_t command, uint16_t code)
{
    uint16_t said;
    DECODER_PORT = (DECODER_PORT & 0xf0) | (tap >> 1);
    PORTD &= ~_BV(ENABLE);
    said = exchange((tap & 1) << 4 | command << 2 | (code >> 8 & 3)) << 8;
    said |= exchange(code & 0xff);
    PORTD |= _BV(ENABLE);
    return said;
}

void tap_write(uint8_t tap, uint16_t code)
{
    pot(tap, 0, code);
}

int16_t tap_read(uint8_t tap)
{
    uint16_t said = pot(tap, 3, 0x3ff);
    /* Bit 9 is low where the command was none; a bus without a chip floats, and reads all ones or all zeros. */
    return (said & 0x200) && (said & 0x1ff) <= 256 ? (int16_t)(said & 0x1ff) : -1;
}

void dac_write(uint8_t channel, uint16_t code)
{
    uint8_t select = _BV(DAC_FIRST + (channel >> 1));
    PORTD &= ~select;
    /* Twice the reference, and not shut down. */
    exchange((channel & 1) << 7 | 0x10 | (code >> 8 & 0x0f));
    exchange(code & 0xff);
    PORTD |= select;
}

void dac_latch(void)
{
    PORTD &= ~_BV(LATCH);
    _delay_us(1);
    PORTD |= _BV(LATCH);
}

static uint8_t wire(uint8_t control)
{
    uint16_t left = 2000;
    TWCR = control | _BV(TWINT) | _BV(TWEN);
    _delay_us(25); /* a byte takes 22; simavr has the flag of the last one until then */
    while (!(TWCR & _BV(TWINT)))
        if (!--left)
            return 0;
        else
            _delay_us(1);
    return TWSR & 0xf8;
}

static uint8_t sent(uint8_t byte)
{
    uint8_t status;
    TWDR = byte;
    status = wire(0);
    return status == 0x18 || status == 0x28 || status == 0x40;
}

static void stop(void)
{
    uint16_t left = 2000;
    TWCR = _BV(TWINT) | _BV(TWEN) | _BV(TWSTO);
    while ((TWCR & _BV(TWSTO)) && --left)
        _delay_us(1);
    _delay_us(5);
    if (!left)
        TWCR = 0; /* the bus is held: let it go */
}

static uint8_t begun(uint8_t address)
{
    uint8_t status = wire(_BV(TWSTA));
    return (status == 0x08 || status == 0x10) && sent(address);
}

static uint8_t fetched(uint8_t address, uint8_t which, uint16_t *found)
{
    uint8_t good = begun(address << 1) && sent(which);
    stop();
    if (good && begun(address << 1 | 1)) {
        good = wire(_BV(TWEA)) == 0x50;
        *found = (uint16_t)TWDR << 8;
        good = good && wire(0) == 0x58;
        *found |= TWDR;
    } else
        good = 0;
    stop();
    return good;
}

uint8_t adc_read(uint8_t channel, int16_t *code)
{
    uint8_t address = 0x48 + (channel >> 2), good, tries;
    uint16_t found = 0;
    /* One reading of one input against ground, within 4.096 V, in 1/860 s. */
    good = begun(address << 1) && sent(1) && sent(0xc3 | (channel & 3) << 4) && sent(0xe3);
    stop();
    if (!good)
        return 0;
    _delay_us(1300); /* no traffic on the bus meanwhile */
    for (tries = 0; tries < 8; tries++) {
        if (!fetched(address, 1, &found))
            return 0;
        if (found & 0x8000) {
            good = fetched(address, 0, &found);
            *code = (int16_t)found;
            return good;
        }
        _delay_us(200);
    }
    return 0;
}
