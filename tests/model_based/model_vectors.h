// The arithmetic of vectors as the documentation gives it (docs/search.md,
// search_service.proto, collection.proto), in double and written for the tests
// alone.
//
// Concurrency: pure functions.
#pragma once

#include <string>
#include <vector>

#include "diptych/storage/v1/collection.pb.h"
#include "diptych/storage/v1/value.pb.h"

namespace diptych::storage {

using Numbers = std::vector<double>;

inline constexpr int kModelDimension = 8;

// The distance of the metric; smaller is nearer.
double ModelDistance(v1::Metric metric, const Numbers& a, const Numbers& b);

Numbers Scaled(const Numbers& vector, double factor);
Numbers Sum(const Numbers& a, const Numbers& b);
double Length(const Numbers& vector);
// Of vectors of one length, at least one.
Numbers Mean(const std::vector<Numbers>& vectors);

// What FakeVectorizer makes of a text or a picture.
Numbers VectorOfInput(const std::string& bytes);

}  // namespace diptych::storage
