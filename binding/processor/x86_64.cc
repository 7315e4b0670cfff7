// x86_64.cc: the tables of x86-64, by the features of the processor and what the operating system saves of it.
#include <cpuid.h>

#include "processor.h"

namespace gradclip {

extern const KernelTable table_x86_64, table_avx2, table_avx512;

namespace {

// Which vector registers the operating system saves (XCR0): bits 1 and 2 for ymm, 5 to 7 for zmm.
uint64_t saved_registers() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

bool has(uint32_t reg, uint32_t bits) { return (reg & bits) == bits; }

}   // namespace

std::vector<const KernelTable*> runnable_tables() {
  bool avx2 = false, avx512 = false;
  uint32_t a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) && has(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C)) {
    const uint64_t saved = saved_registers();
    if ((saved & 0x06) == 0x06 && __get_cpuid_count(7, 0, &a, &b, &c, &d)) {
      avx2 = has(b, bit_AVX2);
      avx512 = avx2 && (saved & 0xe6) == 0xe6 && has(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL);
    }
  }
  std::vector<const KernelTable*> tables;
  if (avx512) tables.push_back(&table_avx512);
  if (avx2) tables.push_back(&table_avx2);
  tables.push_back(&table_x86_64);
  return tables;
}

}   // namespace gradclip
