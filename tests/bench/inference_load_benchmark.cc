// bench-inference-load: the whole inference service under the load of many
// clients, beside its own encoder alone, in one run (docs/performance.md).
//
// Operation: rounds of three contenders that take turns: the encoder on batches
// of 32 prepared pictures, decoding and preparing pictures on one thread, and
// the server with N clients that send one picture at a time. Then a query alone
// and among bulk work. The last line is one JSON object.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/status/status_macros.h"
#include "inference/image/image_decoder.h"
#include "inference/server/inference_server.h"
#include "inference/torch/model_loader.h"
#include "inference_load.h"

namespace diptych {
namespace {

using inference::Image;
using inference::Model;
namespace v1 = inference::v1;

constexpr size_t kEncoderBatch = 32;
// Answers per client that a round waits for at least.
constexpr int64_t kClientRounds = 4;
constexpr int kIdleQueries = 30;
constexpr absl::Duration kQueryInterval = absl::Milliseconds(50);

struct Settings {
  std::string model;
  std::string images;
  int clients = 64;
  int rounds = 3;
  double seconds = 10;
  int threads = 0;
};

// Of one round, or the medians of all.
struct Figures {
  double encoder_rate = 0;
  double encoder_processor_seconds = 0;
  double prepare_seconds = 0;
  double served_rate = 0;
  double served_processor_seconds = 0;
};

double ProcessSeconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         1e-9 * static_cast<double>(now.tv_nsec);
}

double Seconds(absl::Duration duration) {
  return absl::ToDoubleSeconds(duration);
}

double Quantile(std::vector<double> values, double fraction) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(fraction *
                                    static_cast<double>(values.size() - 1))];
}

absl::StatusOr<std::vector<std::string>> ReadFiles(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  if (paths.empty()) {
    return absl::NotFoundError(absl::StrCat("no pictures in ", folder));
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> files;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(file),
                       std::istreambuf_iterator<char>());
  }
  return files;
}

absl::StatusOr<Model> Load(const std::string& name,
                           const std::string& directory, int threads) {
  inference::LoadModelOptions options;
  options.name = name;
  options.threads = threads;
  options.device.kind = inference::DeviceRequest::Kind::kCpu;
  return inference::LoadModel(directory, options);
}

absl::StatusOr<Image> Prepare(const Model& model, const std::string& file) {
  DIPTYCH_ASSIGN_OR_RETURN(const Image image, inference::DecodeImage(file));
  return model.image_preprocessor->Preprocess(image);
}

class Benchmark {
 public:
  static absl::Status Run(const Settings& settings) {
    DIPTYCH_ASSIGN_OR_RETURN(auto files, ReadFiles(settings.images));
    DIPTYCH_ASSIGN_OR_RETURN(Model model,
                             Load("bench", settings.model, settings.threads));
    if (model.image_preprocessor == nullptr) {
      return absl::InvalidArgumentError("the model embeds no pictures");
    }
    inference::InferenceServerOptions options;
    options.server.listen = "127.0.0.1:0";
    options.server.http_listen = "";
    options.server.drain_seconds = 0;
    options.models = {"bench=" + settings.model};
    options.threads = settings.threads;
    // Every picture is computed, though they repeat.
    options.cache_bytes = 0;
    DIPTYCH_ASSIGN_OR_RETURN(
        const auto server,
        inference::InferenceServer::Start(
            options, [](const inference::ModelSource& source,
                        const inference::InferenceServerOptions& given) {
              return Load(source.name, source.directory, given.threads);
            }));
    Benchmark benchmark(settings, std::move(files), std::move(model),
                        server->address());
    return benchmark.Measure(options.batch_max);
  }

 private:
  Benchmark(const Settings& settings, std::vector<std::string> files,
            Model model, std::string address)
      : settings_(settings),
        files_(std::move(files)),
        model_(std::move(model)),
        address_(std::move(address)) {}

  absl::Status Measure(int batch_max) {
    std::printf("%s (%s %s), %zu pictures, %d clients, %d rounds of %g s\n",
                model_.info().family.c_str(), model_.info().device.c_str(),
                model_.info().dtype.c_str(), files_.size(), settings_.clients,
                settings_.rounds, settings_.seconds);
    std::vector<Figures> rounds;
    for (int round = 0; round < settings_.rounds; ++round) {
      Figures figures;
      DIPTYCH_RETURN_IF_ERROR(MeasureEncoder(figures));
      DIPTYCH_RETURN_IF_ERROR(MeasurePreparing(figures));
      DIPTYCH_RETURN_IF_ERROR(MeasureServer(figures));
      std::printf("round %d: encoder %.1f images/s, served %.1f images/s\n",
                  round + 1, figures.encoder_rate, figures.served_rate);
      std::fflush(stdout);
      rounds.push_back(figures);
    }
    Print(rounds);
    return MeasureQueries(batch_max);
  }

  absl::StatusOr<std::vector<Image>> Prepared(size_t count) const {
    std::vector<Image> images;
    for (size_t i = 0; i < count; ++i) {
      DIPTYCH_ASSIGN_OR_RETURN(Image image,
                               Prepare(model_, files_[i % files_.size()]));
      images.push_back(std::move(image));
    }
    return images;
  }

  absl::Status MeasureEncoder(Figures& figures) const {
    DIPTYCH_ASSIGN_OR_RETURN(const auto images, Prepared(kEncoderBatch));
    DIPTYCH_RETURN_IF_ERROR(model_.encoder->EncodeImages(images).status());
    const absl::Time begin = absl::Now();
    const double processor = ProcessSeconds();
    double count = 0;
    while (Seconds(absl::Now() - begin) < settings_.seconds) {
      DIPTYCH_RETURN_IF_ERROR(model_.encoder->EncodeImages(images).status());
      count += kEncoderBatch;
    }
    figures.encoder_rate = count / Seconds(absl::Now() - begin);
    figures.encoder_processor_seconds = (ProcessSeconds() - processor) / count;
    return absl::OkStatus();
  }

  absl::Status MeasurePreparing(Figures& figures) const {
    const double processor = ProcessSeconds();
    const size_t count = std::max<size_t>(files_.size(), 100);
    DIPTYCH_RETURN_IF_ERROR(Prepared(count).status());
    figures.prepare_seconds =
        (ProcessSeconds() - processor) / static_cast<double>(count);
    return absl::OkStatus();
  }

  absl::Status MeasureServer(Figures& figures) const {
    const ClientLoad load(address_, settings_.clients, files_,
                          v1::PRIORITY_INTERACTIVE);
    AwaitAnswers(load);
    const int64_t before = load.answered();
    const absl::Time begin = absl::Now();
    const double processor = ProcessSeconds();
    // Answers come a batch at a time, so that a short while would be cut
    // anywhere between two of them.
    while (load.failed() == 0 &&
           (Seconds(absl::Now() - begin) < settings_.seconds ||
            load.answered() - before < kClientRounds * settings_.clients)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    const auto count = static_cast<double>(load.answered() - before);
    figures.served_rate = count / Seconds(absl::Now() - begin);
    figures.served_processor_seconds = (ProcessSeconds() - processor) / count;
    if (load.failed() > 0) {
      return absl::InternalError(absl::StrCat(load.failed(), " calls failed"));
    }
    return absl::OkStatus();
  }

  // Until connections stand and batches are full.
  void AwaitAnswers(const ClientLoad& load) const {
    while (load.answered() < 2 * settings_.clients && load.failed() == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  double MedianOf(const std::vector<Figures>& rounds,
                  double Figures::*figure) const {
    std::vector<double> values;
    for (const Figures& round : rounds) values.push_back(round.*figure);
    return Quantile(values, 0.5);
  }

  void Print(const std::vector<Figures>& rounds) {
    const double encoder = MedianOf(rounds, &Figures::encoder_rate);
    const double served = MedianOf(rounds, &Figures::served_rate);
    const double prepare = MedianOf(rounds, &Figures::prepare_seconds);
    std::vector<double> ratios;
    for (const Figures& round : rounds) {
      ratios.push_back(round.served_rate / round.encoder_rate);
    }
    const double ratio = Quantile(ratios, 0.5);
    const double encoder_processor =
        MedianOf(rounds, &Figures::encoder_processor_seconds);
    const double served_processor =
        MedianOf(rounds, &Figures::served_processor_seconds);
    // The encoder's rate if it left preparing its share of the processor.
    const double share = prepare / (prepare + encoder_processor);
    std::printf("\n%-44s %10s\n", "per picture, medians of the rounds", "");
    const auto row = [](const char* name, double value, const char* unit) {
      std::printf("%-44s %10.2f %s\n", name, value, unit);
    };
    row("encoder alone, batches of 32", encoder, "images/s");
    row("served", served, "images/s");
    row("served / encoder alone", ratio, "");
    row("decoding and preparing, processor time", 1e3 * prepare, "ms");
    row("encoding, processor time", 1e3 * encoder_processor, "ms");
    row("served with its clients, processor time", 1e3 * served_processor,
        "ms");
    row("share of preparing in the processor time", 100 * share, "%");
    row("served / (encoder alone less that share)", ratio / (1 - share), "");
    absl::StrAppendFormat(
        &json_,
        "{\"benchmark\":\"inference-load\",\"clients\":%d,"
        "\"dtype\":\"%s\",\"encoder_images_per_second\":%.2f,"
        "\"served_images_per_second\":%.2f,\"served_ratio\":%.3f,"
        "\"prepare_milliseconds\":%.3f,\"encode_milliseconds\":%.3f,"
        "\"served_milliseconds\":%.3f,\"prepare_share\":%.3f,"
        "\"served_ratio_same_processor\":%.3f",
        settings_.clients, model_.info().dtype, encoder, served, ratio,
        1e3 * prepare, 1e3 * encoder_processor, 1e3 * served_processor, share,
        ratio / (1 - share));
  }

  absl::StatusOr<std::vector<double>> Query(int count) const {
    InferenceClient client(address_);
    std::vector<double> seconds;
    for (int i = 0; i < count; ++i) {
      v1::VectorizeRequest request;
      if (model_.tokenizer != nullptr) {
        request.add_inputs()->set_text("a photo of two cats on a sofa");
      } else {
        request = ImageRequest(files_[0], v1::PRIORITY_INTERACTIVE);
      }
      DIPTYCH_ASSIGN_OR_RETURN(const absl::Duration took,
                               client.Vectorize(request));
      seconds.push_back(Seconds(took));
      std::this_thread::sleep_for(absl::ToChronoNanoseconds(kQueryInterval));
    }
    return seconds;
  }

  // The longest that one batch takes.
  absl::StatusOr<double> BatchSeconds(int batch_max) const {
    DIPTYCH_ASSIGN_OR_RETURN(const auto images,
                             Prepared(static_cast<size_t>(batch_max)));
    std::vector<double> seconds;
    for (int i = 0; i < 5; ++i) {
      const absl::Time begin = absl::Now();
      DIPTYCH_RETURN_IF_ERROR(model_.encoder->EncodeImages(images).status());
      seconds.push_back(Seconds(absl::Now() - begin));
    }
    return Quantile(seconds, 0.5);
  }

  absl::Status MeasureQueries(int batch_max) {
    DIPTYCH_RETURN_IF_ERROR(Query(5).status());
    DIPTYCH_ASSIGN_OR_RETURN(const auto idle, Query(kIdleQueries));
    DIPTYCH_ASSIGN_OR_RETURN(const double batch, BatchSeconds(batch_max));
    const ClientLoad load(address_, settings_.clients, files_,
                          v1::PRIORITY_BULK);
    AwaitAnswers(load);
    DIPTYCH_ASSIGN_OR_RETURN(const auto busy, Query(kIdleQueries));
    const double bound = 2 * Quantile(idle, 0.5) + batch;
    const auto within = static_cast<double>(
        std::count_if(busy.begin(), busy.end(),
                      [&](double seconds) { return seconds <= bound; }));
    std::printf(
        "\na query alone %.1f ms; a batch of %d pictures %.1f ms; among bulk "
        "work %.1f ms (median), %.1f ms (95 of 100), %.1f ms (longest)\n"
        "twice alone and one batch: %.1f ms, which %.0f of %d kept\n",
        1e3 * Quantile(idle, 0.5), batch_max, 1e3 * batch,
        1e3 * Quantile(busy, 0.5), 1e3 * Quantile(busy, 0.95),
        1e3 * Quantile(busy, 1), 1e3 * bound, within, kIdleQueries);
    std::printf(
        "%s,\"query_idle_milliseconds\":%.2f,\"batch_milliseconds\":%.2f,"
        "\"query_busy_median_milliseconds\":%.2f,"
        "\"query_busy_p95_milliseconds\":%.2f,"
        "\"query_bound_milliseconds\":%.2f,\"queries_within_bound\":%.3f}\n",
        json_.c_str(), 1e3 * Quantile(idle, 0.5), 1e3 * batch,
        1e3 * Quantile(busy, 0.5), 1e3 * Quantile(busy, 0.95), 1e3 * bound,
        within / kIdleQueries);
    return absl::OkStatus();
  }

  const Settings settings_;
  const std::vector<std::string> files_;
  const Model model_;
  const std::string address_;
  std::string json_;
};

}  // namespace
}  // namespace diptych

int main(int count, char** arguments) {
  diptych::Settings settings;
  CLI::App app("The inference service under load, beside its encoder alone.");
  app.add_option("--model", settings.model, "A model's directory")->required();
  app.add_option("--images", settings.images, "A folder of pictures")
      ->required();
  app.add_option("--clients", settings.clients)->check(CLI::Range(1, 512));
  app.add_option("--rounds", settings.rounds)->check(CLI::Range(1, 100));
  app.add_option("--seconds", settings.seconds)->check(CLI::Range(0.1, 600.0));
  app.add_option("--threads", settings.threads, "0: one per core");
  CLI11_PARSE(app, count, arguments);
  const absl::Status status = diptych::Benchmark::Run(settings);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
