// What Zydis says about one instruction, in the terms of our decoder: flattened, so that Swift need not walk unions. For tests only.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Why Zydis refuses bytes.
enum zydis_refusal {
  zydis_accepts,
  zydis_needs_more,  // the bytes end first
  zydis_undefined,   // no such instruction
  zydis_too_long,    // more than 15 bytes
  zydis_operands,    // the instruction exists, but not with these registers, masks, or EVEX bits
  zydis_prefixes,    // lock, or a prefix before VEX, that is not allowed
};

struct zydis_facts {
  enum zydis_refusal refusal;
  uint8_t length;
  uint8_t opcode;
  bool has_modrm, has_sib;
  uint8_t modrm_offset;
  uint8_t displacement_offset, displacement_size;
  uint8_t immediate_offset, immediate_size;
  bool is_rip_relative;
  bool reads_r11, writes_r11;
  uint8_t flags_read, flags_written;  // carry 1, parity 2, auxiliary 4, zero 8, sign 16, overflow 32
  bool is_update;
  bool is_foreign;  // of a processor that is not x86-64 as we know it: Knights Corner, VIA's PadLock
  bool is_vector_index;
  // General registers named by ModRM.reg, ModRM.rm and VEX.vvvv: 1 read, 2 written.
  uint8_t reg_general, rm_general, vvvv_general;
  // The memory operand that is written out: bytes (0 for none, or where it is not accessed), and whether it is stored to.
  uint16_t memory_size;
  bool writes_memory;
  uint16_t mnemonic;
  uint8_t flow;  // the raw value of our Flow
};

// Decodes the bytes at `bytes`.
void zydis_decode(const uint8_t *bytes, size_t available, struct zydis_facts *facts);
// Only decodes, with operands, to be timed; returns the length or 0.
unsigned zydis_length(const uint8_t *bytes, size_t available);
// The mnemonic's text.
const char *zydis_mnemonic(uint16_t mnemonic);
