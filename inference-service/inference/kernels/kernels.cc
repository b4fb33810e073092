#include "inference/kernels/kernels.h"

#include "inference/kernels/level_tables.h"

namespace diptych::inference {
namespace {

bool Has(KernelLevel level) {
#if defined(__x86_64__)
  switch (level) {
    case KernelLevel::kPortable:
      return true;
    case KernelLevel::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case KernelLevel::kAvx512:
      return Has(KernelLevel::kAvx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
    case KernelLevel::kAvx512Vnni:
      return Has(KernelLevel::kAvx512) && __builtin_cpu_supports("avx512vnni");
    case KernelLevel::kAvx512Bfloat16:
      return Has(KernelLevel::kAvx512Vnni) &&
             __builtin_cpu_supports("avx512bf16");
  }
  return false;
#else
  return level == KernelLevel::kPortable;
#endif
}

// Each level starts as a copy of the one before.
Kernels MakeTable(KernelLevel level) {
  Kernels table;
  FillPortable(table);
#if defined(__x86_64__)
  if (level >= KernelLevel::kAvx2) FillAvx2(table);
  if (level >= KernelLevel::kAvx512) FillAvx512(table);
  if (level >= KernelLevel::kAvx512Vnni) FillAvx512Vnni(table);
  if (level >= KernelLevel::kAvx512Bfloat16) FillAvx512Bfloat16(table);
#endif
  table.level = level;
  return table;
}

}  // namespace

const char* KernelLevelName(KernelLevel level) {
  switch (level) {
    case KernelLevel::kPortable:
      return "portable";
    case KernelLevel::kAvx2:
      return "AVX2";
    case KernelLevel::kAvx512:
      return "AVX-512";
    case KernelLevel::kAvx512Vnni:
      return "AVX-512 VNNI";
    case KernelLevel::kAvx512Bfloat16:
      return "AVX-512 BF16";
  }
  return "";
}

std::vector<KernelLevel> AvailableKernelLevels() {
  std::vector<KernelLevel> levels;
  for (const KernelLevel level :
       {KernelLevel::kPortable, KernelLevel::kAvx2, KernelLevel::kAvx512,
        KernelLevel::kAvx512Vnni, KernelLevel::kAvx512Bfloat16}) {
    if (Has(level)) levels.push_back(level);
  }
  return levels;
}

KernelLevel BestKernelLevel() {
  static const KernelLevel best = AvailableKernelLevels().back();
  return best;
}

const Kernels& KernelsOf(KernelLevel level) {
  static const Kernels tables[] = {
      MakeTable(KernelLevel::kPortable), MakeTable(KernelLevel::kAvx2),
      MakeTable(KernelLevel::kAvx512), MakeTable(KernelLevel::kAvx512Vnni),
      MakeTable(KernelLevel::kAvx512Bfloat16)};
  return tables[static_cast<int>(level)];
}

}  // namespace diptych::inference
