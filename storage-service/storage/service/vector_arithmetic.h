// The arithmetic of queries that are made of several vectors.
//
// Shapes: all vectors of one call are equally long; results are as long. Sums
// are taken in double and rounded to float once, at the end. Nothing is scaled
// to length 1 unless said so.
//
// Errors: none; callers check what is said to be needed. Concurrency: pure
// functions. Limits: none.
#pragma once

#include <vector>

#include "absl/types/span.h"

namespace diptych::storage {

using FloatVector = std::vector<float>;

// The mean of at least one vector.
FloatVector MeanOf(absl::Span<const FloatVector> vectors);

// Weaviate's moveTo: v * (1 - force / 2) + target * force / 2, for 0 <= force
// <= 1 (weaviate, usecases/modulecomponents/arguments/nearText/
// searcher_movements.go).
FloatVector MoveTo(absl::Span<const float> vector,
                   absl::Span<const float> target, double force);

// Weaviate's moveAwayFrom: v + force / 2 * (v - target), for force >= 0 (the
// same file).
FloatVector MoveAway(absl::Span<const float> vector,
                     absl::Span<const float> target, double force);

// sqrt(sum(v_i^2)), in double.
double LengthOf(absl::Span<const float> vector);

// The vector divided by its length, which must not be 0.
FloatVector UnitVectorOf(absl::Span<const float> vector);

// sum(weight_i * v_i / |v_i|) / sum(|weight_i|). At least one vector; as many
// weights, none of them 0; no vector of length 0. The result may have length 0:
// terms that cancel each other out.
FloatVector WeightedMix(absl::Span<const FloatVector> vectors,
                        absl::Span<const double> weights);

// mean(positives) + mean(positives) - mean(negatives); without negatives
// mean(positives). At least one positive. This is Qdrant's strategy
// "average_vector".
FloatVector RecommendationVector(absl::Span<const FloatVector> positives,
                                 absl::Span<const FloatVector> negatives);

}  // namespace diptych::storage
