// Kernels for AVX-512 F, BW, DQ and VL. 8-bit products stay those of AVX2.
#define DIPTYCH_KERNEL_LEVEL avx512
#define DIPTYCH_VECTOR_BYTES 64
#define DIPTYCH_TILE_ROWS 12

#include "inference/kernels/attention_kernels.h"
#include "inference/kernels/level_tables.h"

namespace diptych::inference {

void FillAvx512(Kernels& table) { avx512::FillFloatKernels(table); }

}  // namespace diptych::inference
