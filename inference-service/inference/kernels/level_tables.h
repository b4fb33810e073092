// What each level puts into the table of kernels.
//
// Each function lies in a source of its own that is compiled for the level's
// instructions. Such a source includes nothing that has inline functions of
// external linkage: the linker would keep one copy for the whole program, and
// that one could hold instructions that the processor lacks.
#pragma once

#include "inference/kernels/kernels.h"

namespace diptych::inference {

void FillPortable(Kernels& table);
void FillAvx2(Kernels& table);
void FillAvx512(Kernels& table);
void FillAvx512Vnni(Kernels& table);
void FillAvx512Bfloat16(Kernels& table);

}  // namespace diptych::inference
