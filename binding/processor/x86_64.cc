// x86_64.cc: the tables of x86-64, by the features of the processor and what the operating system saves of it.
#include <cpuid.h>

#include "processor.h"

namespace gradclip {

extern const KernelTable table_x86_64, table_avx2, table_avx512, table_avx512bf16;

namespace {

// Which vector registers the operating system saves (XCR0): bits 1 and 2 for ymm, 5 to 7 for zmm.
uint64_t saved_registers() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

constexpr uint32_t kAvx512Bf16 = 1u << 5;   // of eax in leaf 7.1; not every cpuid.h names it

bool has(uint32_t reg, uint32_t bits) { return (reg & bits) == bits; }

}   // namespace

std::vector<const KernelTable*> runnable_tables() {
  bool avx2 = false, avx512 = false, bf16 = false;
  uint32_t a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) && has(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C)) {
    const uint64_t saved = saved_registers();
    if ((saved & 0x06) == 0x06 && __get_cpuid_count(7, 0, &a, &b, &c, &d)) {
      avx2 = has(b, bit_AVX2);
      avx512 = avx2 && (saved & 0xe6) == 0xe6 && has(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL);
      bf16 = avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && has(a, kAvx512Bf16);
    }
  }
  std::vector<const KernelTable*> tables;
  if (bf16 && table_avx512bf16.agrees()) tables.push_back(&table_avx512bf16);
  if (avx512) tables.push_back(&table_avx512);
  if (avx2) tables.push_back(&table_avx2);
  tables.push_back(&table_x86_64);
  return tables;
}

}   // namespace gradclip
