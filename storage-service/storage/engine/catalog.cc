#include "storage/engine/catalog.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "storage/engine/object_table.h"
#include "storage/record/key_codec.h"
#include "storage/record/record_codec.h"

namespace diptych::storage {

absl::StatusOr<std::unique_ptr<Catalog>> Catalog::Open(
    std::unique_ptr<RecordStore> store) {
  DIPTYCH_RETURN_IF_ERROR(store->RunWrite(InitializeFormat));
  std::unique_ptr<Catalog> catalog(new Catalog(std::move(store)));
  DIPTYCH_ASSIGN_OR_RETURN(auto read, catalog->store_->BeginRead());
  DIPTYCH_ASSIGN_OR_RETURN(auto record,
                           read->Get(Table::kMeta, kNextCollectionIdKey));
  if (record.has_value()) {
    DIPTYCH_ASSIGN_OR_RETURN(catalog->next_id_,
                             DecodeNumber(kNextCollectionIdKey, *record));
  }
  return catalog;
}

absl::StatusOr<std::vector<Collection>> Catalog::ReadAll() {
  return ReadFrom(*store_);
}

absl::StatusOr<std::vector<Collection>> Catalog::ReadFrom(RecordStore& store) {
  std::vector<Collection> collections;
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store.BeginRead());
  DIPTYCH_ASSIGN_OR_RETURN(auto format, read->Get(Table::kMeta, kFormatKey));
  if (!format.has_value()) return absl::DataLossError("this is no catalog");
  DIPTYCH_ASSIGN_OR_RETURN(const uint32_t version,
                           DecodeFormat(kFormatKey, *format));
  if (version > kStorageFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the data were written by a newer version of the server, in format ",
        version, "; this one reads formats up to ", kStorageFormatVersion));
  }
  DIPTYCH_ASSIGN_OR_RETURN(auto cursor, read->NewCursor(Table::kCollections));
  DIPTYCH_ASSIGN_OR_RETURN(bool found, cursor->Seek(""));
  while (found) {
    DIPTYCH_ASSIGN_OR_RETURN(Collection collection,
                             DecodeCollection(cursor->key(), cursor->value()));
    collections.push_back(std::move(collection));
    DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Next());
  }
  return collections;
}

absl::Status Catalog::Add(const Collection& collection) {
  return store_->RunWrite([&](WriteTransaction& transaction) {
    const std::string key = CollectionKey(collection.id);
    DIPTYCH_RETURN_IF_ERROR(
        transaction.Put(Table::kMeta, kNextCollectionIdKey,
                        EncodeNumber(kNextCollectionIdKey, next_id_)));
    return transaction.Put(Table::kCollections, key,
                           EncodeCollection(key, collection));
  });
}

absl::Status Catalog::Replace(const Collection& collection) {
  return store_->RunWrite([&](WriteTransaction& transaction) {
    const std::string key = CollectionKey(collection.id);
    return transaction.Put(Table::kCollections, key,
                           EncodeCollection(key, collection));
  });
}

absl::Status Catalog::ReplaceAll(absl::Span<const Collection> collections) {
  for (const Collection& collection : collections) {
    next_id_ = std::max(next_id_, collection.id + 1);
  }
  return store_->RunWrite([&](WriteTransaction& transaction) -> absl::Status {
    std::vector<std::string> keys;
    {
      DIPTYCH_ASSIGN_OR_RETURN(auto cursor,
                               transaction.NewCursor(Table::kCollections));
      DIPTYCH_ASSIGN_OR_RETURN(bool found, cursor->Seek(""));
      while (found) {
        keys.emplace_back(cursor->key());
        DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Next());
      }
    }
    for (const std::string& key : keys) {
      DIPTYCH_RETURN_IF_ERROR(
          transaction.Delete(Table::kCollections, key).status());
    }
    for (const Collection& collection : collections) {
      const std::string key = CollectionKey(collection.id);
      DIPTYCH_RETURN_IF_ERROR(transaction.Put(
          Table::kCollections, key, EncodeCollection(key, collection)));
    }
    return transaction.Put(Table::kMeta, kNextCollectionIdKey,
                           EncodeNumber(kNextCollectionIdKey, next_id_));
  });
}

absl::Status Catalog::Remove(uint64_t id) {
  return store_->RunWrite([&](WriteTransaction& transaction) {
    return transaction.Delete(Table::kCollections, CollectionKey(id)).status();
  });
}

}  // namespace diptych::storage
