// Files for tests of the import: pictures that hold a signature and a few
// bytes (nothing here decodes them), and texts.
//
// Concurrency: free functions. Limits: none.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace diptych::cli {

inline void WriteFile(const std::filesystem::path& file,
                      const std::string& bytes) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream stream(file, std::ios::binary);
  stream << bytes;
  ASSERT_TRUE(stream.good()) << file;
}

// Begins as a PNG does.
inline std::string PngBytes(const std::string& content) {
  return "\x89PNG\r\n\x1A\n" + content;
}

}  // namespace diptych::cli
