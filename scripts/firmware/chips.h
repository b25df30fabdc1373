/* The chips on the two buses. */
#pragma once
#include <stdint.h>

void chips_start(void);
void tap_write(uint8_t tap, uint16_t code);
int16_t tap_read(uint8_t tap); /* -1: no answer */
void dac_write(uint8_t channel, uint16_t code);
void dac_latch(void);
uint8_t adc_read(uint8_t channel, int16_t *code); /* 0: no answer */
