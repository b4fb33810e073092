#include "cli/commands/admin_commands.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/output/error_report.h"
#include "cli/terminal/display_width.h"
#include "common/status/status_macros.h"
#include "diptych/storage/v1/admin_service.grpc.pb.h"

namespace diptych::cli {
namespace {

using storage::v1::AdminService;

// They copy whole collections.
constexpr absl::Duration kAdminTimeout = absl::Hours(1);

template <typename Request, typename Response>
absl::StatusOr<Response> CallAdmin(
    grpc::Status (AdminService::Stub::*method)(grpc::ClientContext*,
                                               const Request&, Response*),
    const Request& request, CommandContext& context) {
  return context.Storage().Call(method, request,
                                context.Timeout(kAdminTimeout));
}

absl::StatusOr<int> CreateSnapshot(const std::string& name,
                                   CommandContext& context) {
  storage::v1::CreateSnapshotRequest request;
  request.set_name(name);
  DIPTYCH_ASSIGN_OR_RETURN(
      const auto response,
      CallAdmin(&AdminService::Stub::CreateSnapshot, request, context));
  if (context.json) {
    context.Print(Json{{"name", name}, {"size_bytes", response.size_bytes()}});
  } else {
    context.out() << "wrote snapshot " << Printable(name) << ", "
                  << BytesText(response.size_bytes()) << "\n";
  }
  return kSucceeded;
}

absl::StatusOr<int> ListSnapshots(CommandContext& context) {
  DIPTYCH_ASSIGN_OR_RETURN(
      const auto response,
      CallAdmin(&AdminService::Stub::ListSnapshots,
                storage::v1::ListSnapshotsRequest(), context));
  if (context.json) {
    Json list = Json::array();
    for (const auto& snapshot : response.snapshots()) {
      list.push_back(
          Json{{"name", snapshot.name()},
               {"create_time", TimestampText(snapshot.create_time())},
               {"size_bytes", snapshot.size_bytes()},
               {"collections", snapshot.collections()}});
    }
    context.Print(Json{{"snapshots", list}});
    return kSucceeded;
  }
  Table table({{"name"},
               {"created"},
               {"size", Alignment::kRight},
               {"collections", Alignment::kRight}});
  for (const auto& snapshot : response.snapshots()) {
    table.AddRow({snapshot.name(), TimestampText(snapshot.create_time()),
                  BytesText(snapshot.size_bytes()),
                  absl::StrCat(snapshot.collections())});
  }
  context.Print(table);
  return kSucceeded;
}

absl::StatusOr<int> RestoreSnapshot(const std::string& name, bool yes,
                                    CommandContext& context) {
  if (!yes) {
    DIPTYCH_RETURN_IF_ERROR(context.Confirm(
        absl::StrCat("Replace all collections by those of snapshot ",
                     Printable(name), "?")));
  }
  storage::v1::RestoreSnapshotRequest request;
  request.set_name(name);
  DIPTYCH_ASSIGN_OR_RETURN(
      const auto response,
      CallAdmin(&AdminService::Stub::RestoreSnapshot, request, context));
  if (context.json) {
    context.Print(
        Json{{"restored", name}, {"collections", response.collections()}});
  } else {
    context.out() << "restored snapshot " << Printable(name)
                  << ", collections: " << response.collections() << "\n";
  }
  return kSucceeded;
}

absl::StatusOr<int> Compact(const std::string& name, CommandContext& context) {
  storage::v1::CompactCollectionRequest request;
  request.set_name(name);
  DIPTYCH_ASSIGN_OR_RETURN(
      const auto response,
      CallAdmin(&AdminService::Stub::CompactCollection, request, context));
  if (context.json) {
    context.Print(Json{{"compacted", name},
                       {"disk_bytes_before", response.disk_bytes_before()},
                       {"disk_bytes_after", response.disk_bytes_after()}});
  } else {
    context.out() << "compacted collection " << Printable(name) << " from "
                  << BytesText(response.disk_bytes_before()) << " to "
                  << BytesText(response.disk_bytes_after()) << "\n";
  }
  return kSucceeded;
}

absl::StatusOr<int> Flush(const std::string& name, CommandContext& context) {
  storage::v1::FlushRequest request;
  request.set_collection(name);
  DIPTYCH_RETURN_IF_ERROR(
      CallAdmin(&AdminService::Stub::Flush, request, context).status());
  const std::string what = name.empty() ? "all collections" : name;
  if (context.json) {
    context.Print(Json::object({{"flushed", what}}));
  } else {
    context.out() << "flushed " << Printable(what) << "\n";
  }
  return kSucceeded;
}

absl::StatusOr<int> Reset(bool yes, CommandContext& context) {
  if (!yes) {
    DIPTYCH_RETURN_IF_ERROR(context.Confirm("Delete all collections?"));
  }
  DIPTYCH_RETURN_IF_ERROR(CallAdmin(&AdminService::Stub::Reset,
                                    storage::v1::ResetRequest(), context)
                              .status());
  if (context.json) {
    context.Print(Json::object({{"reset", true}}));
  } else {
    context.out() << "deleted all collections\n";
  }
  return kSucceeded;
}

void AddSnapshotCommands(CLI::App& app, CommandContext& context) {
  CLI::App* group = app.add_subcommand(
      "snapshot", "Write, list and restore copies of all collections");
  group->require_subcommand(1);
  auto name = std::make_shared<std::string>();
  auto yes = std::make_shared<bool>(false);

  CLI::App* create = group->add_subcommand(
      "create", "Write a copy of all collections on the server's disk");
  create->add_option("name", *name, "Name, of [a-zA-Z0-9._-]")->required();
  create->callback([name, &context] {
    context.run = [=, &context] { return CreateSnapshot(*name, context); };
  });
  group->add_subcommand("list", "List snapshots")->callback([&context] {
    context.run = [&context] { return ListSnapshots(context); };
  });
  CLI::App* restore = group->add_subcommand(
      "restore", "Replace all collections by those of a snapshot");
  restore->add_option("name", *name, "Name")->required();
  restore->add_flag("--yes", *yes, "Do not ask");
  restore->callback([name, yes, &context] {
    context.run = [=, &context] {
      return RestoreSnapshot(*name, *yes, context);
    };
  });
}

}  // namespace

void AddAdminCommands(CLI::App& app, CommandContext& context) {
  AddSnapshotCommands(app, context);
  auto name = std::make_shared<std::string>();
  auto yes = std::make_shared<bool>(false);
  CLI::App* compact = app.add_subcommand(
      "compact", "Rewrite a collection so that deleted data leaves the disk");
  compact->add_option("collection", *name, "Collection")->required();
  compact->callback([name, &context] {
    context.run = [=, &context] { return Compact(*name, context); };
  });
  CLI::App* flush =
      app.add_subcommand("flush", "Sync a collection, or all, to the disk");
  flush->add_option("collection", *name, "Collection; all without it");
  flush->callback([name, &context] {
    context.run = [=, &context] { return Flush(*name, context); };
  });
  CLI::App* reset = app.add_subcommand(
      "reset", "Delete all collections (a server with --allow-reset)");
  reset->add_flag("--yes", *yes, "Do not ask");
  reset->callback([yes, &context] {
    context.run = [=, &context] { return Reset(*yes, context); };
  });
}

}  // namespace diptych::cli
