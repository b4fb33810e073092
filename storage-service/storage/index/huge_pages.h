// Large arrays on huge pages.
//
// Operation: a walk through a graph reads rows all over an array of many
// megabytes; with pages of 4 KiB nearly every row costs a page walk, too. This
// asks Linux for pages of 2 MiB. It is a wish: where the system refuses or has
// none left, nothing but time is lost.
// Concurrency: free functions; others may read the memory meanwhile.
// Limits: only whole 2 MiB pages within the given bytes are affected, so no
// memory is wasted.
#pragma once

#include <cstddef>

namespace diptych::storage {

constexpr size_t kHugePageBytes = size_t{2} << 20;

// For memory that is written for the first time afterwards.
void PreferHugePages(void* begin, size_t bytes);

// For memory that is in use: its pages are copied.
void MoveToHugePages(void* begin, size_t bytes);

}  // namespace diptych::storage
