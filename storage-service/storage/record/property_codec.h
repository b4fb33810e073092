// Properties as bytes, a part of object and collection records.
//
// Concurrency: pure functions.
#pragma once

#include "storage/record/byte_codec.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

// uint32 count, then name and value of each in the order of names. A value is a
// uint8 type and its content (docs/storage_format.md).
void WriteProperties(const Properties& properties, ByteWriter& writer);
// False: not written by WriteProperties.
bool ReadProperties(ByteReader& reader, Properties& properties);

}  // namespace diptych::storage
