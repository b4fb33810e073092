// What an input is and how soon its answer is wanted.
#pragma once

namespace diptych::inference {

enum class Modality { kText, kImage };
inline constexpr int kModalities = 2;

enum class Priority {
  // A person waits.
  kInteractive,
  // Gives way to interactive work, but is never starved.
  kBulk,
};
inline constexpr int kPriorities = 2;

}  // namespace diptych::inference
