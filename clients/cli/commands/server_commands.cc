#include "cli/commands/server_commands.h"

#include <memory>
#include <utility>

#include "cli/output/error_report.h"
#include "cli/terminal/display_width.h"
#include "cli/terminal/progress.h"
#include "common/status/status_macros.h"
#include "diptych/storage/v1/admin_service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace diptych::cli {
namespace {

using HealthResponse = ::grpc::health::v1::HealthCheckResponse;

// A health check that hangs is a failed one.
constexpr absl::Duration kHealthTimeout = absl::Seconds(5);

absl::StatusOr<int> Health(bool of_inference, CommandContext& context) {
  Connection& connection =
      of_inference ? context.Inference() : context.Storage();
  DIPTYCH_ASSIGN_OR_RETURN(
      const HealthResponse response,
      connection.Call(&::grpc::health::v1::Health::Stub::Check,
                      ::grpc::health::v1::HealthCheckRequest(),
                      context.Timeout(kHealthTimeout)));
  const std::string word =
      HealthResponse::ServingStatus_Name(response.status());
  const bool serving = response.status() == HealthResponse::SERVING;
  if (context.json) {
    context.Print(Json{{"service", connection.name()},
                       {"address", connection.address()},
                       {"status", word}});
  } else {
    context.out() << connection.name() << " " << connection.address() << " "
                  << word << "\n";
  }
  return serving ? kSucceeded : kFailed;
}

Json LimitsToJson(const storage::v1::ServerLimits& limits) {
  return Json{{"message_bytes", limits.message_bytes_max()},
              {"objects_per_batch", limits.objects_per_batch_max()},
              {"properties_per_object", limits.properties_per_object_max()},
              {"object_bytes", limits.object_bytes_max()},
              {"image_bytes", limits.image_bytes_max()},
              {"results", limits.results_max()},
              {"filter_depth", limits.filter_depth_max()},
              {"filter_nodes", limits.filter_nodes_max()},
              {"vector_dimension", limits.vector_dimension_max()},
              {"collections", limits.collections_max()}};
}

absl::StatusOr<int> Info(CommandContext& context) {
  DIPTYCH_ASSIGN_OR_RETURN(
      const auto info,
      context.CallStorage(&storage::v1::AdminService::Stub::GetServerInfo,
                          storage::v1::GetServerInfoRequest()));
  const absl::Duration uptime = absl::Seconds(info.uptime().seconds());
  const Json limits = LimitsToJson(info.limits());
  if (context.json) {
    context.Print(Json{{"version", info.version()},
                       {"uptime_seconds", info.uptime().seconds()},
                       {"collections", info.collections()},
                       {"inference_address", info.inference_address()},
                       {"inference_reachable", info.inference_reachable()},
                       {"limits", limits}});
    return kSucceeded;
  }
  const std::string inference =
      info.inference_address().empty()
          ? "none; texts and pictures cannot be turned into vectors"
          : info.inference_address() + (info.inference_reachable()
                                            ? " (reachable)"
                                            : " (not reachable)");
  context.out() << "version      " << Printable(info.version()) << "\n"
                << "running for  " << FormatRemaining(uptime) << "\n"
                << "collections  " << info.collections() << "\n"
                << "inference    " << Printable(inference) << "\n";
  Table table({{"limit"}, {"at most", Alignment::kRight}});
  for (const auto& [name, value] : limits.items()) {
    table.AddRow({name, value.dump()});
  }
  context.Print(table);
  return kSucceeded;
}

absl::StatusOr<int> Version(CommandContext& context) {
  if (context.json) {
    context.Print(Json::object({{"version", DIPTYCH_VERSION}}));
  } else {
    context.out() << "diptych " << DIPTYCH_VERSION << "\n";
  }
  return kSucceeded;
}

}  // namespace

void AddServerCommands(CLI::App& app, CommandContext& context) {
  auto of_inference = std::make_shared<bool>(false);
  CLI::App* health = app.add_subcommand(
      "health", "Whether a service serves; exit status 0 or 1");
  // A word, since --inference is a global option with an address.
  health
      ->add_option_function<std::string>(
          "service",
          [of_inference](const std::string& word) {
            *of_inference = word == "inference";
          },
          "storage (default) or inference")
      ->check(CLI::IsMember({"storage", "inference"}));
  health->callback([of_inference, &context] {
    context.run = [of_inference, &context] {
      return Health(*of_inference, context);
    };
  });
  app.add_subcommand("info", "Version, limits and state of the storage service")
      ->callback(
          [&context] { context.run = [&context] { return Info(context); }; });
  app.add_subcommand("version", "Version of this command")
      ->callback([&context] {
        context.run = [&context] { return Version(context); };
      });
}

}  // namespace diptych::cli
