// The other side of bench-encoder: a Python program that encodes the same model
// with PyTorch and with ONNX Runtime (encoder_peers.py).
//
// Operation: the program runs beside, does nothing until it is asked, and says
// how long a batch took there; its start and its pipe are not in the figures.
// Concurrency: one thread. Limits: exits the benchmark with a message when the
// program fails.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>

namespace diptych {

class EncoderPeers {
 public:
  // Writes the model and its ONNX files into `folder`.
  static void Make(const std::string& python, const std::string& folder);

  EncoderPeers(const std::string& python, const std::string& folder,
               int threads);
  ~EncoderPeers();
  EncoderPeers(const EncoderPeers&) = delete;
  EncoderPeers& operator=(const EncoderPeers&) = delete;

  // What each is.
  std::string Versions();
  // For one batch of `count`; `contender` is "torch", "onnx" or "onnx-int8",
  // `kind` is "image", "text" or "short".
  double Seconds(const std::string& contender, const std::string& kind,
                 int count);

 private:
  std::string Ask(const std::string& line);

  pid_t process_ = 0;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

}  // namespace diptych
