#include "tests/model_based/model_run.h"

#include <algorithm>
#include <variant>

#include "storage/service/storage_services_fixture.h"

namespace diptych::storage {
namespace {

// How often the steps are run again to leave some out.
constexpr int kMinimisingRunsMax = 300;

}  // namespace

// The services as the tests of the service run them.
class ModelRun::Server final : public StorageServicesTest {
 public:
  using StorageServicesTest::Restart;

  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Send(
      Stub& stub,
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      const Request& request) {
    grpc::ClientContext context;
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  using Collections = v1::CollectionService::Stub;
  using Objects = v1::ObjectService::Stub;
  using Searches = v1::SearchService::Stub;

  auto Answer(const v1::CreateCollectionRequest& request) {
    return Send(*collections_, &Collections::CreateCollection, request);
  }
  auto Answer(const v1::GetCollectionRequest& request) {
    return Send(*collections_, &Collections::GetCollection, request);
  }
  auto Answer(const v1::UpdateCollectionRequest& request) {
    return Send(*collections_, &Collections::UpdateCollection, request);
  }
  auto Answer(const v1::DeleteCollectionRequest& request) {
    return Send(*collections_, &Collections::DeleteCollection, request);
  }
  auto Answer(const v1::GetCollectionStatsRequest& request) {
    return Send(*collections_, &Collections::GetCollectionStats, request);
  }
  auto Answer(const v1::InsertObjectsRequest& request) {
    return Send(*objects_, &Objects::InsertObjects, request);
  }
  auto Answer(const v1::UpsertObjectsRequest& request) {
    return Send(*objects_, &Objects::UpsertObjects, request);
  }
  auto Answer(const v1::UpdateObjectsRequest& request) {
    return Send(*objects_, &Objects::UpdateObjects, request);
  }
  auto Answer(const v1::DeleteObjectsRequest& request) {
    return Send(*objects_, &Objects::DeleteObjects, request);
  }
  auto Answer(const v1::GetObjectsRequest& request) {
    return Send(*objects_, &Objects::GetObjects, request);
  }
  auto Answer(const v1::ListObjectsRequest& request) {
    return Send(*objects_, &Objects::ListObjects, request);
  }
  auto Answer(const v1::ListCollectionsRequest& request) {
    return Send(*collections_, &Collections::ListCollections, request);
  }
  auto Answer(const v1::CountObjectsRequest& request) {
    return Send(*objects_, &Objects::CountObjects, request);
  }
  auto Answer(const v1::QueryRequest& request) {
    return Send(*search_, &Searches::Query, request);
  }
  auto Answer(const v1::BatchQueryRequest& request) {
    return Send(*search_, &Searches::BatchQuery, request);
  }

  absl::StatusOr<std::vector<v1::ImportObjectsResponse>> Answer(
      const Import& import) {
    grpc::ClientContext context;
    const auto stream = objects_->ImportObjects(&context);
    v1::ImportObjectsRequest request;
    *request.mutable_header() = import.header;
    bool open = stream->Write(request);
    for (const v1::ImportChunk& chunk : import.chunks) {
      *request.mutable_chunk() = chunk;
      open = open && stream->Write(request);
    }
    stream->WritesDone();
    std::vector<v1::ImportObjectsResponse> responses;
    v1::ImportObjectsResponse response;
    while (stream->Read(&response)) responses.push_back(response);
    const grpc::Status status = stream->Finish();
    if (!status.ok()) return FromGrpcStatus(status);
    return responses;
  }

  template <typename Response, typename Request>
  absl::StatusOr<std::vector<Response>> AllPages(Request request,
                                                 bool restart_between) {
    std::vector<Response> pages;
    do {
      auto page = Answer(request);
      if (!page.ok()) return page.status();
      request.set_page_token(page->next_page_token());
      pages.push_back(*std::move(page));
      if (restart_between && pages.size() == 1) Restart();
    } while (!request.page_token().empty());
    return pages;
  }

 private:
  void TestBody() override {}
};

ModelRun::ModelRun() : server_(std::make_unique<Server>()) {}
ModelRun::~ModelRun() = default;

// Takes one step, whatever it is.
class ModelRun::Step {
 public:
  Step(ModelRun& run, bool send_filter_text)
      : run_(run), server_(*run.server_), send_filter_text_(send_filter_text) {}

  std::string operator()(const storage::Restart&) {
    server_.Restart();
    return "";
  }
  std::string operator()(const ListAllCollections& list) {
    return Judge(list.first_page, server_.AllPages<v1::ListCollectionsResponse>(
                                      list.first_page, false));
  }
  std::string operator()(const ListAllObjects& list) {
    return Judge(list.first_page,
                 server_.AllPages<v1::ListObjectsResponse>(
                     WithOneFilter(list.first_page, send_filter_text_),
                     list.restart_between));
  }
  std::string operator()(const v1::DeleteObjectsRequest& request) {
    return Filtered(request);
  }
  std::string operator()(const v1::CountObjectsRequest& request) {
    return Filtered(request);
  }
  std::string operator()(const v1::QueryRequest& request) {
    return Filtered(request);
  }
  std::string operator()(const v1::BatchQueryRequest& request) {
    return Filtered(request);
  }
  template <typename Request>
  std::string operator()(const Request& request) {
    return Judge(request, server_.Answer(request));
  }

 private:
  template <typename Request, typename Answer>
  std::string Judge(const Request& request, const Answer& answer) {
    if (answer.ok()) ++run_.successes_;
    return run_.model_.Judge(request, answer);
  }
  template <typename Request>
  std::string Filtered(const Request& request) {
    return Judge(request,
                 server_.Answer(WithOneFilter(request, send_filter_text_)));
  }

  ModelRun& run_;
  Server& server_;
  const bool send_filter_text_;
};

std::string ModelRun::Apply(const Operation& operation) {
  return std::visit(Step(*this, operation.send_filter_text), operation.request);
}

std::string FirstDifference(const std::vector<Operation>& operations) {
  ModelRun run;
  for (const Operation& operation : operations) {
    if (std::string difference = run.Apply(operation); !difference.empty())
      return difference;
  }
  return "";
}

// Delta debugging: leaves out runs of steps, half as long each time.
std::vector<Operation> Minimised(std::vector<Operation> operations) {
  int runs = 0;
  for (size_t length = operations.size() / 2; length > 0; length /= 2) {
    for (size_t begin = 0; begin < operations.size();) {
      if (++runs > kMinimisingRunsMax) return operations;
      std::vector<Operation> fewer(
          operations.begin(),
          operations.begin() + static_cast<ptrdiff_t>(begin));
      fewer.insert(fewer.end(),
                   operations.begin() + static_cast<ptrdiff_t>(std::min(
                                            begin + length, operations.size())),
                   operations.end());
      if (FirstDifference(fewer).empty()) {
        begin += length;
      } else {
        operations = std::move(fewer);
      }
    }
  }
  return operations;
}

}  // namespace diptych::storage
