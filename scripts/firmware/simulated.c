/* The firmware on a simulated board: simavr runs it, its serial line is a pseudo-terminal, and the chips of config.h hang
 * on its buses. Prints the terminal's name, then the converters' codes to volts each time that they change.
 *
 * simulated FIRMWARE [no-adc] [no-pots]: without the chips that are named, so that nothing answers there. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "avr_ioport.h"
#include "avr_spi.h"
#include "avr_twi.h"
#include "avr_uart.h"
#include "sim_avr.h"
#include "sim_elf.h"

#define PORTC 0 /* names of registers that config.h mentions and this program does not need */
#define DDRC 0
enum { PD3 = 3, PD4, PD5 };
#include "config.h"

enum { CHIPS = 3, SPEED = 16000000 };

static FILE *report; /* simavr itself talks on stdout */
static avr_t *avr;
static int without_adc, without_pots;
static uint8_t port_c, port_d = 0xff;
static uint16_t pots[TAPS], pending[2 * CHIPS], volts[2 * CHIPS];
static unsigned bytes, first; /* of the transfer on SPI that goes on */
static avr_irq_t *spi_in, *twi_in, *uart_in;

/* --- SPI -------------------------------------------------------------------------------------------------------- */

static void sent(struct avr_irq_t *irq, uint32_t value, void *param)
{
    unsigned said = 0xff, word, k;
    (void)irq, (void)param;
    if (bytes++ % 2 == 0)
        first = value & 0xff;
    word = first << 8 | (value & 0xff);
    if (!(port_d & 1 << ENABLE) && !without_pots) {
        unsigned tap = 2 * (port_c & 15) + (first >> 4 & 1), command = first >> 2 & 3;
        if (bytes % 2)
            said = command == 3 ? 0xfe | pots[tap] >> 8 : 0xff;
        else if (command == 3)
            said = pots[tap] & 0xff;
        else if (command == 0)
            pots[tap] = (word & 0x1ff) > 256 ? 256 : word & 0x1ff;
    }
    for (k = 0; k < CHIPS; k++)
        if (!(port_d & 1 << (DAC_FIRST + k)) && bytes % 2 == 0)
            pending[2 * k + (word >> 15)] = word & 0xfff;
    avr_raise_irq(spi_in, said);
}

static void pin_c(struct avr_irq_t *irq, uint32_t value, void *param)
{
    unsigned pin = (uintptr_t)param;
    (void)irq;
    port_c = (port_c & ~(1 << pin)) | (value & 1) << pin;
}

static void pin_d(struct avr_irq_t *irq, uint32_t value, void *param)
{
    unsigned pin = (uintptr_t)param, k;
    (void)irq;
    if (!(value & 1) && (port_d & 1 << pin))
        bytes = 0;
    port_d = (port_d & ~(1 << pin)) | (value & 1) << pin;
    if (pin == LATCH && !(value & 1) && memcmp(volts, pending, sizeof volts)) {
        memcpy(volts, pending, sizeof volts);
        for (k = 0; k < 2 * CHIPS; k++)
            fprintf(report, "%u%c", volts[k], k + 1 < 2 * CHIPS ? ' ' : '\n');
        fflush(report);
    }
}

/* --- I2C -------------------------------------------------------------------------------------------------------- */

static uint8_t chosen, pointer, place;
static uint16_t config[4], result[4];

/* What the board's channels read: a mixture of all that is set. */
static uint16_t reading(unsigned channel)
{
    long sum = 0;
    unsigned k;
    for (k = 0; k < 2 * CHIPS; k++)
        sum += (long)(k + 1) * (volts[k] - DAC_MIDDLE);
    for (k = 0; k < TAPS; k++)
        sum += (long)k * pots[k];
    sum = sum * (channel + 3) % 9001;
    return ADC_MIDDLE - 4500 + (sum + 9001) % 9001;
}

static void bus(struct avr_irq_t *irq, uint32_t value, void *param)
{
    avr_twi_msg_irq_t v = {.u.v = value};
    unsigned chip = (v.u.twi.addr >> 1) - 0x48;
    (void)irq, (void)param;
    if (v.u.twi.msg & TWI_COND_STOP)
        chosen = 0;
    if (v.u.twi.msg & TWI_COND_START) {
        chosen = chip < (READS + 3) / 4 && !without_adc ? v.u.twi.addr : 0;
        place = 0;
        if (chosen)
            avr_raise_irq(twi_in, avr_twi_irq_msg(TWI_COND_ACK, chosen, 1));
    }
    if (!chosen)
        return;
    chip = (chosen >> 1) - 0x48;
    if (v.u.twi.msg & TWI_COND_WRITE) {
        avr_raise_irq(twi_in, avr_twi_irq_msg(TWI_COND_ACK, chosen, 1));
        if (place == 0)
            pointer = v.u.twi.data & 3;
        else if (pointer == 1)
            config[chip] = config[chip] << 8 | v.u.twi.data;
        if (++place == 3 && pointer == 1)
            result[chip] = reading(4 * chip + (config[chip] >> 12 & 3));
    }
    if (v.u.twi.msg & TWI_COND_READ) {
        uint16_t word = pointer ? config[chip] | 0x8000 : result[chip];
        avr_raise_irq(twi_in, avr_twi_irq_msg(TWI_COND_READ, chosen, place++ % 2 ? word & 0xff : word >> 8));
    }
}

/* --- the serial line -------------------------------------------------------------------------------------------- */

static int master, willing;

static void out(struct avr_irq_t *irq, uint32_t value, void *param)
{
    uint8_t byte = value;
    (void)irq, (void)param;
    if (write(master, &byte, 1) < 0)
        return; /* nobody reads, and the line has no memory */
}

static void flow(struct avr_irq_t *irq, uint32_t value, void *param)
{
    (void)irq, (void)value;
    willing = param != 0;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main(int count, char **words)
{
    elf_firmware_t firmware = {0};
    struct termios raw;
    char name[64];
    uint32_t flags = 0;
    uintptr_t k;
    int slave;
    double begun;
    report = fdopen(dup(1), "w");
    dup2(2, 1);
    for (k = 2; k < (uintptr_t)count; k++) {
        without_adc |= !strcmp(words[k], "no-adc");
        without_pots |= !strcmp(words[k], "no-pots");
    }
    if (count < 2 || elf_read_firmware(words[1], &firmware) || !(avr = avr_make_mcu_by_name("atmega328p")) ||
        openpty(&master, &slave, name, 0, 0)) {
        fprintf(stderr, "simulated FIRMWARE [no-adc] [no-pots]\n");
        return 2;
    }
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw); /* the slave stays open: no hanging up */
    fcntl(master, F_SETFL, O_NONBLOCK);
    for (k = 0; k < TAPS; k++)
        pots[k] = 128; /* as they wake up */
    avr_init(avr);
    firmware.frequency = SPEED;
    avr_load_firmware(avr, &firmware);
    avr->log = LOG_NONE;

    spi_in = avr_io_getirq(avr, AVR_IOCTL_SPI_GETIRQ(0), SPI_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_SPI_GETIRQ(0), SPI_IRQ_OUTPUT), sent, 0);
    twi_in = avr_io_getirq(avr, AVR_IOCTL_TWI_GETIRQ(0), TWI_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_TWI_GETIRQ(0), TWI_IRQ_OUTPUT), bus, 0);
    for (k = 0; k < 4; k++)
        avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('C'), k), pin_c, (void *)k);
    for (k = 3; k < 8; k++)
        avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('D'), k), pin_d, (void *)k);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    uart_in = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), out, 0);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XON), flow, (void *)1);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XOFF), flow, 0);

    fprintf(report, "%s\n", name);
    fflush(report);
    begun = seconds();
    for (avr_cycle_count_t looked = 0;;) {
        int state = avr_run(avr);
        if (state == cpu_Done || state == cpu_Crashed) {
            fprintf(stderr, "the firmware crashed\n");
            return 1;
        }
        if (avr->cycle < looked + SPEED / 10000)
            continue;
        looked = avr->cycle;
        uint8_t byte;
        while (willing && read(master, &byte, 1) == 1)
            avr_raise_irq(uart_in, byte);
        double ahead = (double)avr->cycle / SPEED - (seconds() - begun);
        if (ahead > 0.002) {
            struct pollfd ready = {.fd = master, .events = POLLIN};
            poll(&ready, 1, 1000 * ahead);
        }
    }
}
