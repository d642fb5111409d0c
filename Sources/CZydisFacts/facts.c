// Asks Zydis, and says the answer in the decoder's terms.
#include "CZydisFacts.h"

#include <Zydis/Zydis.h>
#include <string.h>

static ZydisDecoder decoder;

__attribute__((constructor)) static void make_decoder(void) {
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

static enum zydis_refusal refusal(ZyanStatus status) {
  switch (status) {
    case ZYDIS_STATUS_NO_MORE_DATA: return zydis_needs_more;
    case ZYDIS_STATUS_INSTRUCTION_TOO_LONG: return zydis_too_long;
    case ZYDIS_STATUS_BAD_REGISTER:
    case ZYDIS_STATUS_INVALID_MASK:
    case ZYDIS_STATUS_MALFORMED_EVEX:
    case ZYDIS_STATUS_MALFORMED_MVEX: return zydis_operands;
    case ZYDIS_STATUS_ILLEGAL_LOCK:
    case ZYDIS_STATUS_ILLEGAL_LEGACY_PFX:
    case ZYDIS_STATUS_ILLEGAL_REX: return zydis_prefixes;
    default: return zydis_undefined;
  }
}

static uint8_t flags(ZydisAccessedFlagsMask mask) {
  return (mask & ZYDIS_CPUFLAG_CF ? 1 : 0) | (mask & ZYDIS_CPUFLAG_PF ? 2 : 0) | (mask & ZYDIS_CPUFLAG_AF ? 4 : 0) |
         (mask & ZYDIS_CPUFLAG_ZF ? 8 : 0) | (mask & ZYDIS_CPUFLAG_SF ? 16 : 0) | (mask & ZYDIS_CPUFLAG_OF ? 32 : 0);
}

// In the order of `Flow` in Sources/Translator/Decoding/Instruction.swift.
enum flow {
  plain, jump, conditional, counted, call, ret, jump_indirect, call_indirect, syscall, sysenter, breakpoint, interrupt, icebp,
  cpuid, rdtsc, rdtscp, rdrand, rdseed, rdpid, xgetbv, pop_flags, far, transaction, gs_base, undefined,
};

static enum flow flow_of(const ZydisDecodedInstruction *in) {
  bool is_far = in->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
  bool is_direct = in->raw.imm[0].is_relative;
  switch (in->mnemonic) {
    case ZYDIS_MNEMONIC_JMP: return is_far ? far : is_direct ? jump : jump_indirect;
    case ZYDIS_MNEMONIC_CALL: return is_far ? far : is_direct ? call : call_indirect;
    case ZYDIS_MNEMONIC_RET: return is_far ? far : ret;
    case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD: case ZYDIS_MNEMONIC_IRETQ: case ZYDIS_MNEMONIC_SYSRET:
    case ZYDIS_MNEMONIC_SYSEXIT: return far;
    case ZYDIS_MNEMONIC_LOOP: case ZYDIS_MNEMONIC_LOOPE: case ZYDIS_MNEMONIC_LOOPNE: case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ: case ZYDIS_MNEMONIC_JRCXZ: return counted;
    case ZYDIS_MNEMONIC_SYSCALL: return syscall;
    case ZYDIS_MNEMONIC_SYSENTER: return sysenter;
    case ZYDIS_MNEMONIC_INT3: return breakpoint;
    case ZYDIS_MNEMONIC_INT: return interrupt;
    case ZYDIS_MNEMONIC_INT1: return icebp;
    case ZYDIS_MNEMONIC_CPUID: return cpuid;
    case ZYDIS_MNEMONIC_RDTSC: return rdtsc;
    case ZYDIS_MNEMONIC_RDTSCP: return rdtscp;
    case ZYDIS_MNEMONIC_RDRAND: return rdrand;
    case ZYDIS_MNEMONIC_RDSEED: return rdseed;
    case ZYDIS_MNEMONIC_RDPID: return rdpid;
    case ZYDIS_MNEMONIC_XGETBV: return xgetbv;
    case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFD: case ZYDIS_MNEMONIC_POPFQ: return pop_flags;
    case ZYDIS_MNEMONIC_XBEGIN: return transaction;
    case ZYDIS_MNEMONIC_RDGSBASE: case ZYDIS_MNEMONIC_WRGSBASE: return gs_base;
    case ZYDIS_MNEMONIC_UD0: case ZYDIS_MNEMONIC_UD1: case ZYDIS_MNEMONIC_UD2: return undefined;
    default: return in->meta.category == ZYDIS_CATEGORY_COND_BR && is_direct ? conditional : plain;
  }
}

static bool is_r11(ZydisRegister reg) {
  return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg) == ZYDIS_REGISTER_R11;
}

// See `Opcode.update` in Sources/Translator/Decoding/Opcode.swift.
static bool is_update(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *memory) {
  switch (in->mnemonic) {
    case ZYDIS_MNEMONIC_ADD: case ZYDIS_MNEMONIC_OR: case ZYDIS_MNEMONIC_ADC: case ZYDIS_MNEMONIC_SBB: case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_SUB: case ZYDIS_MNEMONIC_XOR: case ZYDIS_MNEMONIC_NOT: case ZYDIS_MNEMONIC_NEG: case ZYDIS_MNEMONIC_INC:
    case ZYDIS_MNEMONIC_DEC: case ZYDIS_MNEMONIC_ROL: case ZYDIS_MNEMONIC_ROR: case ZYDIS_MNEMONIC_RCL: case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_SHL: case ZYDIS_MNEMONIC_SHR: case ZYDIS_MNEMONIC_SAR: break;
    default: return false;
  }
  ZydisRegister base = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, memory->mem.base);
  return !(in->attributes & ZYDIS_ATTRIB_HAS_LOCK) && memory->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT &&
         memory->mem.segment != ZYDIS_REGISTER_GS && base != ZYDIS_REGISTER_RSP && base != ZYDIS_REGISTER_RBP;
}

static void add_operand(const ZydisDecodedOperand *operand, const ZydisDecodedInstruction *in, struct zydis_facts *facts) {
  bool reads = operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
  bool writes = operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
  if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY) {
    bool is_vector = operand->mem.type == ZYDIS_MEMOP_TYPE_VSIB;
    if (is_r11(operand->mem.base) || (!is_vector && is_r11(operand->mem.index))) facts->reads_r11 = true;
    if (is_vector) facts->is_vector_index = true;
    if (operand->mem.base == ZYDIS_REGISTER_RIP || operand->mem.base == ZYDIS_REGISTER_EIP) facts->is_rip_relative = true;
    if (reads && writes && is_update(in, operand)) facts->is_update = true;
    if (operand->mem.type == ZYDIS_MEMOP_TYPE_MEM && operand->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT) {
      facts->memory_size = operand->size / 8;
      if (writes) facts->writes_memory = true;
    }
  }
  if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER) return;
  ZydisRegisterClass class = ZydisRegisterGetClass(operand->reg.value);
  if (class < ZYDIS_REGCLASS_GPR8 || class > ZYDIS_REGCLASS_GPR64) return;
  uint8_t actions = (reads ? 1 : 0) | (writes ? 2 : 0);
  // A write of part of a register keeps the rest, except 32 bits, which clear the upper half.
  if (is_r11(operand->reg.value)) {
    if (reads || (writes && operand->size < 32) || (operand->actions & ZYDIS_OPERAND_ACTION_CONDWRITE)) facts->reads_r11 = true;
    if (writes) facts->writes_r11 = true;
  }
  if (operand->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG) facts->reg_general |= actions;
  if (operand->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM) facts->rm_general |= actions;
  if (operand->encoding == ZYDIS_OPERAND_ENCODING_NDSNDD) facts->vvvv_general |= actions;
}

void zydis_decode(const uint8_t *bytes, size_t available, struct zydis_facts *facts) {
  ZydisDecodedInstruction in;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  memset(facts, 0, sizeof *facts);
  ZyanStatus status = ZydisDecoderDecodeFull(&decoder, bytes, available, &in, operands);
  if (!ZYAN_SUCCESS(status)) {
    facts->refusal = refusal(status);
    return;
  }
  facts->length = in.length;
  facts->opcode = in.opcode;
  facts->has_modrm = (in.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;
  facts->has_sib = (in.attributes & ZYDIS_ATTRIB_HAS_SIB) != 0;
  facts->modrm_offset = in.raw.modrm.offset;
  facts->displacement_offset = in.raw.disp.offset;
  facts->displacement_size = in.raw.disp.size / 8;
  facts->immediate_offset = in.raw.imm[0].offset;
  facts->immediate_size = (in.raw.imm[0].size + in.raw.imm[1].size) / 8;
  facts->mnemonic = in.mnemonic;
  facts->is_foreign = (in.meta.isa_set >= ZYDIS_ISA_SET_KNCE && in.meta.isa_set <= ZYDIS_ISA_SET_KNC_PF_HINT) ||
                      in.meta.isa_ext == ZYDIS_ISA_EXT_PADLOCK;
  facts->flow = (uint8_t)flow_of(&in);
  if (in.cpu_flags) {
    facts->flags_read = flags(in.cpu_flags->tested);
    facts->flags_written =
        flags(in.cpu_flags->modified | in.cpu_flags->set_0 | in.cpu_flags->set_1 | in.cpu_flags->undefined);
  }
  for (int index = 0; index < in.operand_count; index++) add_operand(&operands[index], &in, facts);
}

unsigned zydis_length(const uint8_t *bytes, size_t available) {
  ZydisDecodedInstruction in;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, available, &in, operands)) ? in.length : 0;
}

const char *zydis_mnemonic(uint16_t mnemonic) { return ZydisMnemonicGetString((ZydisMnemonic)mnemonic); }
