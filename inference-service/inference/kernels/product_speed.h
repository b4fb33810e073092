// How fast this processor multiplies in a precision.
#pragma once

#include "inference/kernels/kernels.h"
#include "inference/types/precision.h"

namespace diptych::inference {

// Operations (a product and a sum count as two) per second in 10^9 of one
// thread, rounding included, with weights that lie in a cache: the best of a
// few runs, some milliseconds together. `level` has the precision.
double MeasureProductSpeed(KernelLevel level, Precision precision);

}  // namespace diptych::inference
