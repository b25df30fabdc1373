/* What hangs on the microcontroller, and between which codes it may be set. */
#pragma once

#define IDENTITY "atmega328 mcp4251 mcp4822 ads1115"

#ifndef BAUD
#define BAUD 115200UL
#endif
#ifndef SILENCE_MS
#define SILENCE_MS 5000U /* without a sound line, after which drives go to rest */
#endif
#define SETTLE_MS 2 /* from setting the drives to the first reading */

#define TAPS 32      /* two on each MCP4251 */
#define DRIVES 4     /* two on each MCP4822 */
#define INJECTIONS 2 /* the same, on the chips after those of the drives */
#define READS 8      /* four on each ADS1115, from address 0x48 on */

/* Codes of drives, injections and readings count from the middle rail: 0 is nothing. */
#define TAP_LOW 0
#define TAP_HIGH 256
#define DRIVE_LOW -2048
#define DRIVE_HIGH 2047
#define INJECTION_LOW -2048
#define INJECTION_HIGH 2047
#define READ_LOW -16384
#define READ_HIGH 16383
#define DAC_MIDDLE 2048  /* 2.048 V of 4.096 V, 1 mV a code */
#define ADC_MIDDLE 16384 /* 2.048 V, 125 uV a code */

/* Pins. SPI is PB3 (MOSI), PB4 (MISO), PB5 (SCK), I2C is PC4 (SDA), PC5 (SCL), the serial line PD0 and PD1.
 * A 74HC154 makes the sixteen chip selects of the potentiometers: its address is PC0 to PC3, its enable PD4, low.
 * Chip selects of the converters to volts are PD5, PD6, PD7, low; all take over their codes when PD3 is low. */
#define DECODER_PORT PORTC
#define DECODER_DDR DDRC
#define ENABLE PD4
#define LATCH PD3
#define DAC_FIRST PD5

#define LINE 128 /* bytes of the longest line, its end included */
