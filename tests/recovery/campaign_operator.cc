#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "tests/recovery/campaign_client.h"

namespace diptych::storage {
namespace {

constexpr size_t kOtherCollections = 3;

}  // namespace

absl::Status CampaignOperator::Work(
    const std::shared_ptr<grpc::Channel>& channel) {
  CampaignStubs stubs(channel);
  absl::Status status;
  while (status.ok()) {
    switch (random_() % 5) {
      case 0: {
        v1::CompactCollectionRequest request;
        request.set_name(kCampaignCollection);
        v1::CompactCollectionResponse response;
        status = CampaignCall(*stubs.admin,
                              &v1::AdminService::Stub::CompactCollection,
                              request, response);
        break;
      }
      case 1: {
        v1::CreateSnapshotRequest request;
        request.set_name(absl::StrCat("snapshot-", ++snapshots_made_));
        v1::CreateSnapshotResponse response;
        status =
            CampaignCall(*stubs.admin, &v1::AdminService::Stub::CreateSnapshot,
                         request, response);
        if (status.ok()) snapshots_.push_back(request.name());
        break;
      }
      case 2: {
        v1::FlushRequest request;
        request.set_collection(kCampaignCollection);
        v1::FlushResponse response;
        status = CampaignCall(*stubs.admin, &v1::AdminService::Stub::Flush,
                              request, response);
        break;
      }
      default:
        status = ChangeCollection(stubs);
    }
  }
  return status;
}

absl::Status CampaignOperator::ChangeCollection(CampaignStubs& stubs) {
  changing_ = absl::StrCat("other-", random_() % kOtherCollections);
  bool& there = collections_[changing_];
  if (there) {
    v1::DeleteCollectionRequest request;
    request.set_name(changing_);
    v1::DeleteCollectionResponse response;
    DIPTYCH_RETURN_IF_ERROR(CampaignCall(
        *stubs.collections, &v1::CollectionService::Stub::DeleteCollection,
        request, response));
  } else {
    v1::CreateCollectionRequest request;
    request.mutable_collection()->set_name(changing_);
    v1::CreateCollectionResponse response;
    DIPTYCH_RETURN_IF_ERROR(CampaignCall(
        *stubs.collections, &v1::CollectionService::Stub::CreateCollection,
        request, response));
  }
  there = !there;
  changing_.clear();
  return absl::OkStatus();
}

absl::Status CampaignOperator::Settle(CampaignStubs& stubs) {
  v1::ListCollectionsRequest request;
  request.set_page_size(100);
  v1::ListCollectionsResponse response;
  DIPTYCH_RETURN_IF_ERROR(CampaignCall(
      *stubs.collections, &v1::CollectionService::Stub::ListCollections,
      request, response));
  std::map<std::string, bool> found;
  for (const v1::Collection& collection : response.collections()) {
    if (absl::StartsWith(collection.name(), "other-")) {
      found[collection.name()] = true;
    }
  }
  for (auto& [name, there] : collections_) {
    const bool now = found.contains(name);
    if (now != there && name != changing_) {
      return absl::DataLossError(absl::StrCat(
          "the collection ", name, " is ",
          now ? "there although it was deleted" : "gone although it was made"));
    }
    there = now;
    found.erase(name);
  }
  if (!found.empty()) {
    return absl::DataLossError(
        absl::StrCat("a collection that nobody made: ", found.begin()->first));
  }
  changing_.clear();
  return absl::OkStatus();
}

}  // namespace diptych::storage
