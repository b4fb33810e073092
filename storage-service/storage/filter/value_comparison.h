// How a filter compares a stored value with an operand.
//
// Concurrency: pure functions.
// Limits: none.
#pragma once

#include <compare>
#include <cstdint>

#include "storage/types/filter.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

// Exactly, as numbers: no rounding of either side. Unordered for NaN.
std::partial_ordering CompareNumbers(int64_t a, double b);

// The order of a stored scalar and an operand: numbers, texts (by bytes) and
// timestamps among themselves. Unordered for all other pairs; bools have no
// order.
std::partial_ordering CompareValue(const PropertyValue& value,
                                   const FilterOperand& operand);

// Whether the value, or any element of a list, equals the operand.
bool ValueEquals(const PropertyValue& value, const FilterOperand& operand);

// Substring of a text, or element of a list.
bool ValueContains(const PropertyValue& value, const FilterOperand& operand);

// Great-circle distance on a sphere of the Earth's mean radius, 6,371,008.8 m
// (haversine formula).
double DistanceMeters(const GeoPoint& a, const GeoPoint& b);

}  // namespace diptych::storage
