// The speed at which one thread reads memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace diptych {

// Compiled for the processor of the machine that builds.
uint64_t SumOfWords(const uint64_t* words, size_t count);

}  // namespace diptych
