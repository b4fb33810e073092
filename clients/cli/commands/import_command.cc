#include "cli/commands/import_command.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/import/import_journal.h"
#include "cli/import/import_plan.h"
#include "cli/import/importer.h"
#include "cli/import/interrupt_watcher.h"
#include "cli/output/error_report.h"
#include "cli/output/json_output.h"
#include "cli/terminal/display_width.h"
#include "common/status/status_macros.h"
#include "diptych/storage/v1/collection_service.grpc.pb.h"
#include "diptych/storage/v1/object_service.grpc.pb.h"

namespace diptych::cli {
namespace {

using storage::v1::Collection;
using storage::v1::CollectionService;
using storage::v1::ObjectService;

// A person does not read more; --json has all.
constexpr size_t kSkippedShownMax = 50;

struct ImportOptions {
  std::string directory;
  std::string collection;
  int batch = 64;
  int max_in_flight = 4;
  int attempts = 8;
  std::string id_from = "path";
  bool no_resume = false;
  bool quiet = false;
};

// A call of ImportObjects over the connection, which outlives it.
class GrpcImportCall final : public ImportCall {
 public:
  // `timeout` of 0: as long as it takes.
  GrpcImportCall(Connection& connection, double timeout_seconds)
      : connection_(connection), channel_(connection.GetChannel()) {
    if (timeout_seconds > 0) {
      context_.set_deadline(
          std::chrono::system_clock::now() +
          absl::ToChronoMilliseconds(absl::Seconds(timeout_seconds)));
    }
    stream_ = ObjectService::Stub(channel_).ImportObjects(&context_);
  }

  bool Write(const storage::v1::ImportObjectsRequest& request) override {
    return stream_->Write(request);
  }
  void WritesDone() override { stream_->WritesDone(); }
  bool Read(storage::v1::ImportObjectsResponse& response) override {
    return stream_->Read(&response);
  }
  absl::Status Finish() override {
    const grpc::Status status = stream_->Finish();
    if (status.ok()) return absl::OkStatus();
    return connection_.Explain(FromGrpcStatus(status), *channel_);
  }

 private:
  Connection& connection_;
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<storage::v1::ImportObjectsRequest,
                                           storage::v1::ImportObjectsResponse>>
      stream_;
};

absl::StatusOr<Collection> FindOrCreate(const std::string& name,
                                        CommandContext& context) {
  storage::v1::GetCollectionRequest get;
  get.set_name(name);
  auto found =
      context.CallStorage(&CollectionService::Stub::GetCollection, get);
  if (found.ok()) return found->collection();
  if (!absl::IsNotFound(found.status())) return found.status();
  storage::v1::CreateCollectionRequest create;
  create.mutable_collection()->set_name(name);
  create.set_get_or_create(true);
  DIPTYCH_ASSIGN_OR_RETURN(
      auto created,
      context.CallStorage(&CollectionService::Stub::CreateCollection, create));
  return created.collection();
}

absl::StatusOr<std::unique_ptr<ImportJournal>> OpenJournal(
    const ImportOptions& options, const Collection& collection,
    CommandContext& context) {
  DIPTYCH_ASSIGN_OR_RETURN(const auto journals,
                           JournalDirectory(context.environment));
  std::error_code error;
  std::filesystem::path directory =
      std::filesystem::canonical(options.directory, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat(
        "cannot resolve ", options.directory, ": ", error.message()));
  }
  return ImportJournal::Open(journals,
                             {.server = context.server,
                              .collection = options.collection,
                              .uid = collection.uid(),
                              .directory = directory.native()},
                             options.no_resume);
}

struct Summary {
  ImportResult result;
  int64_t unchanged = 0;
  int64_t ignored = 0;
  absl::Duration duration;
};

void Print(const Summary& summary, const ImportOptions& options,
           CommandContext& context) {
  const ImportResult& result = summary.result;
  const double seconds = absl::ToDoubleSeconds(summary.duration);
  if (context.json) {
    Json skipped = Json::array();
    for (const SkippedFile& file : result.skipped) {
      skipped.push_back(Json{{"file", file.file}, {"reason", file.reason}});
    }
    context.Print(Json{{"collection", options.collection},
                       {"imported", result.imported},
                       {"unchanged", summary.unchanged},
                       {"ignored_files", summary.ignored},
                       {"skipped", std::move(skipped)},
                       {"stopped", result.stopped},
                       {"seconds", seconds}});
    return;
  }
  std::ostream& out = context.out();
  out << "imported " << result.imported << " objects into "
      << Printable(options.collection) << " in "
      << absl::StrFormat("%.1f s", seconds);
  if (result.imported > 0 && seconds > 0) {
    out << absl::StrFormat(" (%.1f/s)",
                           static_cast<double>(result.imported) / seconds);
  }
  if (summary.unchanged > 0) {
    out << "; " << summary.unchanged << " were there already";
  }
  if (summary.ignored > 0) {
    out << "; ignored " << summary.ignored
        << " files that are neither pictures nor texts";
  }
  out << "\n";
  if (result.skipped.empty()) return;
  out << "skipped " << result.skipped.size() << ":\n";
  const size_t shown = std::min(result.skipped.size(), kSkippedShownMax);
  for (size_t i = 0; i < shown; ++i) {
    out << "  " << Printable(result.skipped[i].file) << ": "
        << Printable(result.skipped[i].reason) << "\n";
  }
  if (shown < result.skipped.size()) {
    out << "  and " << result.skipped.size() - shown
        << " more; --json names all\n";
  }
}

// Reads the journal, sends what it lacks.
absl::Status SendNew(const ImportOptions& options, ImportPlan plan,
                     InterruptWatcher& interrupts, CommandContext& context,
                     Summary& summary) {
  DIPTYCH_ASSIGN_OR_RETURN(const Collection collection,
                           FindOrCreate(options.collection, context));
  DIPTYCH_ASSIGN_OR_RETURN(const auto journal,
                           OpenJournal(options, collection, context));
  const auto acknowledged = std::stable_partition(
      plan.items.begin(), plan.items.end(), [&](const ImportItem& item) {
        return !journal->Contains(item.id, item.signature);
      });
  summary.unchanged = plan.items.end() - acknowledged;
  plan.items.erase(acknowledged, plan.items.end());

  Importer importer(
      {.collection = options.collection,
       .batch_objects_max = options.batch,
       .max_in_flight = options.max_in_flight,
       .attempts_max = options.attempts},
      [&context]() -> std::unique_ptr<ImportCall> {
        return std::make_unique<GrpcImportCall>(context.Storage(),
                                                context.timeout_seconds);
      },
      journal.get(), *context.environment.clock);
  std::unique_ptr<Progress> progress;
  if (!options.quiet && !context.json) {
    progress = std::make_unique<Progress>(
        Progress::Options{.verb = "importing",
                          .terminal = context.environment.err_is_terminal,
                          .columns = context.environment.columns},
        context.err(), *context.environment.clock);
  }
  interrupts.SetHandler([&importer] { importer.Stop(); });
  summary.result = importer.Run(plan.items, progress.get(),
                                static_cast<int64_t>(plan.skipped.size()));
  interrupts.SetHandler(nullptr);
  return absl::OkStatus();
}

absl::StatusOr<int> Import(const ImportOptions& options,
                           CommandContext& context) {
  // Before gRPC starts threads, which would take the signals.
  InterruptWatcher interrupts;
  const absl::Time start = context.environment.clock->Now();
  DIPTYCH_ASSIGN_OR_RETURN(
      ImportPlan plan, PlanImport(options.directory, options.id_from == "name"
                                                         ? IdSource::kFileName
                                                         : IdSource::kPath));
  Summary summary;
  summary.ignored = plan.ignored_files;
  std::vector<SkippedFile> skipped = plan.skipped;
  if (!plan.items.empty()) {
    DIPTYCH_RETURN_IF_ERROR(
        SendNew(options, std::move(plan), interrupts, context, summary));
  }
  ImportResult& result = summary.result;
  result.skipped.insert(result.skipped.end(), skipped.begin(), skipped.end());
  std::sort(result.skipped.begin(), result.skipped.end(),
            [](const SkippedFile& a, const SkippedFile& b) {
              return a.file < b.file;
            });
  summary.duration = context.environment.clock->Now() - start;
  if (!result.status.ok()) {
    const std::string hint = HintOf(result.status);
    return WithHint(
        result.status,
        absl::StrCat(hint, hint.empty() ? "" : "; ", result.imported,
                     " objects were imported: the same command goes on where "
                     "it ended"));
  }
  Print(summary, options, context);
  if (result.stopped) {
    context.err() << "stopped; the same command goes on where it ended\n";
    return kInterrupted;
  }
  return result.skipped.empty() ? kSucceeded : kSomeSkipped;
}

}  // namespace

void AddImportCommand(CLI::App& app, CommandContext& context) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* import = app.add_subcommand(
      "import", "Import the pictures and texts of a directory");
  import->add_option("directory", options->directory, "Directory")->required();
  import
      ->add_option("-c,--collection", options->collection,
                   "Collection; made with the default settings when missing")
      ->required();
  import->add_option("--batch", options->batch, "Objects per chunk")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  import
      ->add_option("--max-in-flight", options->max_in_flight,
                   "Chunks sent ahead of the last acknowledgement")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  import
      ->add_option("--attempts", options->attempts,
                   "Tries in a row while the server is busy or away")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  import
      ->add_option("--id-from", options->id_from,
                   "Ids: path below the directory, or name of the file")
      ->check(CLI::IsMember({"path", "name"}))
      ->capture_default_str();
  import->add_flag("--no-resume", options->no_resume,
                   "Send everything, whatever was imported before");
  import->add_flag("-q,--quiet", options->quiet, "No progress");
  import->callback([options, &context] {
    context.run = [options, &context] { return Import(*options, context);
};
}  // namespace diptych::cli
);
}

}  // namespace diptych::cli
