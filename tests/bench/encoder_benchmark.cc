// bench-encoder: the towers of CLIP ViT-B/32 in each precision beside PyTorch
// and ONNX Runtime, in one run. docs/performance.md says what the figures mean.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "inference/kernels/packed_linear.h"
#include "inference/kernels/product_speed.h"
#include "inference/model/precision_choice.h"
#include "inference/model/precision_sample.h"
#include "inference/torch/tower_encoder.h"
#include "nlohmann/json.hpp"
#include "tests/bench/encoder_peers.h"

namespace diptych::inference {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kUsage[] =
    "usage: bench-encoder --python PROGRAM --model DIR [--quick] [--rounds N]\n"
    "                     [--threads N]\n"
    "  --python  of an environment with torch, transformers, onnx, onnxscript\n"
    "            and onnxruntime; without it nothing is compared with, and "
    "DIR\n"
    "            must hold a model already\n"
    "  --model   where the model with random weights lies, 1.5 GB; made there\n"
    "            when there is none\n"
    "  --quick   two rounds, batches of 1 and 32, 1 thread\n"
    "  --rounds  7 unless told (1 to 100)\n"
    "  --threads unless told 1, and without --quick 2 after it (1 to 64)\n";

constexpr int kEndId = 49407;
constexpr int kImageSize = 224;
constexpr int kContext = 77;
// encoder_peers.py has the same.
constexpr int kShortLengths[] = {12, 7, 21, 9, 14, 10, 8, 17};
// Products of one picture with the last layer on the pooled row alone: patches,
// 11 layers of 50 rows, and the last one's keys and values.
constexpr double kImageOperations =
    2.0 * (49 * 3072 * 768.0 + 11 * 50 * (4 * 768.0 * 768 + 2 * 768.0 * 3072) +
           50 * 2 * 768.0 * 768 + 2 * 768.0 * 768 + 2 * 768.0 * 3072);

struct Settings {
  std::string python;
  std::string model;
  bool quick = false;
  int rounds = 7;
  // 0: what --quick says.
  int threads = 0;
};

struct Case {
  std::string kind;
  int count = 0;
};

[[noreturn]] void Fail(absl::string_view what) {
  std::fprintf(stderr, "bench-encoder: %s\n%s", std::string(what).c_str(),
               kUsage);
  std::exit(2);
}

Settings ParseArguments(int count, char** arguments) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string word = arguments[i];
    if (word == "--quick") {
      settings.quick = true;
      settings.rounds = 2;
      continue;
    }
    if (i + 1 == count) Fail(absl::StrCat("what is ", word, "?"));
    const std::string value = arguments[++i];
    if (word == "--python") {
      settings.python = value;
    } else if (word == "--model") {
      settings.model = value;
    } else if (word == "--threads" &&
               absl::SimpleAtoi(value, &settings.threads) &&
               settings.threads >= 1 && settings.threads <= 64) {
      continue;
    } else if (word != "--rounds" ||
               !absl::SimpleAtoi(value, &settings.rounds) ||
               settings.rounds < 1 || settings.rounds > 100) {
      Fail(absl::StrCat("cannot take ", word, " ", value));
    }
  }
  if (settings.model.empty()) Fail("--model is missing");
  return settings;
}

TokenIds MakeText(int number, int length) {
  TokenIds text;
  text.ids.push_back(kEndId - 1);
  for (int i = 1; i + 1 < length; ++i) {
    text.ids.push_back(1000 + (number * 77 + i) * 7919 % 40000);
  }
  text.ids.push_back(kEndId);
  return text;
}

std::vector<TokenIds> MakeTexts(const Case& each) {
  std::vector<TokenIds> texts;
  for (int i = 0; i < each.count; ++i) {
    texts.push_back(
        MakeText(i, each.kind == "text" ? kContext : kShortLengths[i % 8]));
  }
  return texts;
}

std::unique_ptr<const Encoder> Load(const ModelDescription& model, int threads,
                                    Precision precision) {
  TowerEncoderOptions options;
  options.device.kind = DeviceRequest::Kind::kCpu;
  options.threads = threads;
  options.precision = precision;
  auto encoder = LoadTowerEncoder(model, options, ModelInfo());
  if (!encoder.ok()) Fail(encoder.status().message());
  return *std::move(encoder);
}

double Now(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * now.tv_nsec;
}

// One thread's time is the processor's, so that other work on the machine does
// not count; encoder_peers.py does the same.
double SecondsOf(int threads, const std::function<void()>& function) {
  const clockid_t clock =
      threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
  const double begin = Now(clock);
  function();
  return Now(clock) - begin;
}

double EncodeSeconds(const Encoder& encoder, const Case& each, int threads) {
  if (each.kind == "image") {
    const std::vector<Image> images = [&] {
      const PrecisionSample sample = MakePrecisionSample(nullptr, kImageSize);
      std::vector<Image> result;
      for (int i = 0; i < each.count; ++i) {
        result.push_back(sample.images[i % kSampleImages]);
      }
      return result;
    }();
    return SecondsOf(threads, [&] {
      if (!encoder.EncodeImages(images).ok()) Fail("encoding failed");
    });
  }
  const std::vector<TokenIds> texts = MakeTexts(each);
  return SecondsOf(threads, [&] {
    if (!encoder.EncodeTexts(texts).ok()) Fail("encoding failed");
  });
}

// Of all threads at the same time, in 10^9 operations per second; the best of
// some tries.
double PeakOf(Precision precision, int threads) {
  std::vector<double> best(threads);
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&, i] {
      for (int try_number = 0; try_number < 25; ++try_number) {
        best[i] = std::max(best[i],
                           MeasureProductSpeed(BestKernelLevel(), precision));
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  double sum = 0;
  for (const double value : best) sum += value;
  return sum;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The encoders of this project by name; "auto" is the one that a server would
// choose on these weights.
struct OwnEncoders {
  std::map<std::string, std::unique_ptr<const Encoder>> by_name;
  std::map<std::string, double> peaks;
  std::string automatic;
};

OwnEncoders LoadOwn(const ModelDescription& model, int threads) {
  OwnEncoders own;
  std::vector<PrecisionSpeed> speeds;
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    if (!HasPrecision(BestKernelLevel(), precision)) continue;
    const std::string name = PrecisionName(precision);
    own.by_name[name] = Load(model, threads, precision);
    own.peaks[name] = PeakOf(precision, threads);
    speeds.push_back({precision, own.peaks[name]});
  }
  PrecisionSample sample = MakePrecisionSample(nullptr, kImageSize);
  for (int i = 0; i < 8; ++i) {
    sample.texts.push_back(MakeText(i, kShortLengths[i]));
  }
  const auto choice =
      ChoosePrecision(PrecisionRequest(), speeds, sample, [&](Precision which) {
        return absl::StatusOr<std::unique_ptr<const Encoder>>(
            Load(model, threads, which));
      });
  if (!choice.ok()) Fail(choice.status().message());
  own.automatic = PrecisionName(choice->precision);
  std::printf("auto: %s\n", choice->reason.c_str());
  return own;
}

// Inputs per second by contender.
std::map<std::string, double> Measure(const Case& each, int threads, int rounds,
                                      const OwnEncoders& own,
                                      EncoderPeers* peers) {
  std::map<std::string, std::vector<double>> seconds;
  for (int round = -1; round < rounds; ++round) {
    const auto take = [&](const std::string& name, double value) {
      // The first round warms up.
      if (round >= 0) seconds[name].push_back(value);
      // What spins for more work stops before the next one starts.
      absl::SleepFor(absl::Milliseconds(10));
    };
    for (const auto& [name, encoder] : own.by_name) {
      take(name, EncodeSeconds(*encoder, each, threads));
    }
    if (peers == nullptr) continue;
    for (const char* name : {"torch", "onnx", "onnx-int8"}) {
      take(name, peers->Seconds(name, each.kind, each.count));
    }
  }
  std::map<std::string, double> rates;
  for (const auto& [name, values] : seconds) {
    rates[name] = each.count / Median(values);
  }
  rates["auto"] = rates.at(own.automatic);
  return rates;
}

void Print(const Case& each, int threads,
           const std::map<std::string, double>& rates) {
  std::printf("%-6s x %-2d, %d threads:", each.kind.c_str(), each.count,
              threads);
  for (const auto& [name, rate] : rates) {
    if (name != "auto") std::printf("  %s %.1f", name.c_str(), rate);
  }
  std::printf(" per second\n");
  std::fflush(stdout);
}

void AddRatios(const Case& each, const std::map<std::string, double>& rates,
               const OwnEncoders& own, Json& result) {
  const auto rounded = [](double value) {
    return std::round(value * 1000) / 1000;
  };
  if (each.kind == "image") {
    for (const auto& [name, peak] : own.peaks) {
      result["of_peak"][name] =
          rounded(rates.at(name) * kImageOperations / 1e9 / peak);
    }
  }
  if (rates.count("onnx") == 0) return;
  Json& ratios = result["ratios"];
  ratios["float32_to_onnx"] = rounded(rates.at("float32") / rates.at("onnx"));
  for (const char* peer : {"onnx", "onnx-int8", "torch"}) {
    ratios[absl::StrCat("auto_to_", peer)] =
        rounded(rates.at("auto") / rates.at(peer));
  }
}

int Run(const Settings& settings) {
  if (!std::filesystem::exists(settings.model + "/config.json")) {
    if (settings.python.empty()) Fail("there is no model, and no --python");
    std::printf("making the model in %s ...\n", settings.model.c_str());
    std::fflush(stdout);
    std::filesystem::create_directories(settings.model);
    EncoderPeers::Make(settings.python, settings.model);
  }
  const auto model = DescribeModel(settings.model);
  if (!model.ok()) Fail(model.status().message());
  std::printf("instructions: %s\n", KernelLevelName(BestKernelLevel()));
  Json json = {{"instructions", KernelLevelName(BestKernelLevel())}};
  std::vector<int> thread_counts = {1};
  if (!settings.quick) thread_counts.push_back(2);
  if (settings.threads > 0) thread_counts = {settings.threads};
  const std::vector<int> counts =
      settings.quick ? std::vector<int>{1, 32} : std::vector<int>{1, 8, 32};
  for (const int threads : thread_counts) {
    std::unique_ptr<EncoderPeers> peers;
    if (!settings.python.empty()) {
      peers = std::make_unique<EncoderPeers>(settings.python, settings.model,
                                             threads);
      const std::string versions = peers->Versions();
      std::printf("peers: %s\n", versions.c_str());
      json["peers"] = versions;
    }
    const OwnEncoders own = LoadOwn(*model, threads);
    Json& of_threads = json[absl::StrCat("threads_", threads)];
    of_threads["auto"] = own.automatic;
    for (const auto& [name, peak] : own.peaks) {
      std::printf("peak of %s products: %.0f GF/s\n", name.c_str(), peak);
      of_threads["peak_giga_operations"][name] = std::round(peak);
    }
    for (const char* kind : {"image", "text", "short"}) {
      for (const int count : counts) {
        const Case each = {kind, count};
        const auto rates =
            Measure(each, threads, settings.rounds, own, peers.get());
        Print(each, threads, rates);
        Json& result = of_threads[absl::StrCat(kind, "_", count)];
        for (const auto& [name, rate] : rates) {
          result["per_second"][name] = std::round(rate * 10) / 10;
        }
        AddRatios(each, rates, own, result);
      }
    }
  }
  std::printf("%s\n", json.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace diptych::inference

int main(int argc, char** argv) {
  return diptych::inference::Run(
      diptych::inference::ParseArguments(argc, argv));
}
