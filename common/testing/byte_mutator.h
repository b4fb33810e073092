// Damages the bytes of files at random, to test that readers refuse what is
// malformed and never crash.
//
// Operation: each call of Damage changes bytes in one of several ways: a byte
// or a bit replaced, an extreme number, bytes left out, bytes repeated, the end
// cut off, or one of the given pieces put in. Equal seeds damage equally.
// Concurrency: one thread. Limits: none; a file may become empty.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "gtest/gtest.h"

namespace diptych {

class ByteMutator {
 public:
  // `pieces` are put into files as they are: values that a format gives a
  // meaning.
  explicit ByteMutator(uint64_t seed, std::vector<std::string> pieces = {})
      : pieces_(std::move(pieces)), random_(seed) {}

  // 0 to `count` - 1; `count` is positive.
  size_t Below(size_t count) {
    return std::uniform_int_distribution<size_t>(0, count - 1)(random_);
  }

  // One damage anywhere.
  void Damage(std::string& bytes) {
    if (!bytes.empty()) DamageAt(Below(bytes.size()), bytes);
  }

  // One damage that begins at `place`, which lies within `bytes`.
  void DamageAt(size_t place, std::string& bytes) {
    switch (Below(pieces_.empty() ? 6 : 7)) {
      case 0:
        bytes[place] = static_cast<char>(Below(256));
        break;
      case 1:
        bytes[place] = static_cast<char>(bytes[place] ^ (1 << Below(8)));
        break;
      case 2: {
        const size_t count =
            std::min(bytes.size() - place, size_t{1} << Below(4));
        bytes.replace(place, count, count, Below(2) == 0 ? '\xff' : '\0');
        break;
      }
      case 3:
        bytes.erase(place, 1 + Below(16));
        break;
      case 4:
        bytes.insert(place, bytes.substr(Below(bytes.size()), 1 + Below(64)));
        break;
      case 5:
        bytes.resize(place);
        break;
      default:
        bytes.insert(place, pieces_[Below(pieces_.size())]);
    }
  }

 private:
  const std::vector<std::string> pieces_;
  std::mt19937_64 random_;
};

// How many damaged files a test makes: DIPTYCH_MUTATIONS of the environment,
// for longer runs by hand, or `otherwise`.
inline int MutationCount(int otherwise) {
  int count = otherwise;
  if (const char* const given = std::getenv("DIPTYCH_MUTATIONS")) {
    EXPECT_TRUE(absl::SimpleAtoi(given, &count)) << given;
  }
  return count;
}

}  // namespace diptych
