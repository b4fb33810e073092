// One step of a model-based run, as plain data: what is sent, and nothing that
// depends on the steps before, so that any part of a list of steps can be run
// again by itself.
//
// Concurrency: plain values.
#pragma once

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "diptych/storage/v1/collection_service.grpc.pb.h"
#include "diptych/storage/v1/object_service.grpc.pb.h"
#include "diptych/storage/v1/search_service.grpc.pb.h"

namespace diptych::storage {

// The server ends and begins again on the same data.
struct Restart {};

// All pages of a listing, one after the other.
struct ListAllObjects {
  v1::ListObjectsRequest first_page;
  // After the first page: page tokens outlive the process.
  bool restart_between = false;
};

struct ListAllCollections {
  v1::ListCollectionsRequest first_page;
};

// A whole import stream: all chunks are sent before an answer is looked at.
struct Import {
  v1::ImportHeader header;
  std::vector<v1::ImportChunk> chunks;
};

struct Operation {
  std::variant<Restart, v1::CreateCollectionRequest, v1::GetCollectionRequest,
               ListAllCollections, v1::UpdateCollectionRequest,
               v1::DeleteCollectionRequest, v1::GetCollectionStatsRequest,
               v1::InsertObjectsRequest, v1::UpsertObjectsRequest,
               v1::UpdateObjectsRequest, v1::DeleteObjectsRequest,
               v1::GetObjectsRequest, ListAllObjects, v1::CountObjectsRequest,
               v1::QueryRequest, v1::BatchQueryRequest, Import>
      request;
  // A filter lies in the request as a tree and as text, which mean the same.
  // Only one of them is sent: the text, or the tree.
  bool send_filter_text = false;
};

// One line for people.
std::string ToText(const Operation& operation);

// `request` with one form of its filter (or its queries' filters) taken out.
template <typename Request>
Request WithOneFilter(Request request, bool text) {
  if constexpr (std::is_same_v<Request, v1::BatchQueryRequest>) {
    for (auto& query : *request.mutable_queries())
      query = WithOneFilter(query, text);
  } else {
    if (text) {
      request.clear_filter();
    } else {
      request.clear_filter_expression();
    }
  }
  return request;
}

}  // namespace diptych::storage
