#pragma once
#include "scenarios/documents/text_input.hpp"
#include "scenarios/traces/trace_reader.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

// One function per family of formats. read_trace() (trace_reader.hpp) chooses among them by content.

/// All CSV formats with one request a row. Reads the header itself. `file` is empty for a stream.
[[nodiscard]] Result<Trace> read_csv_trace(TextInput& text, const std::string& name,
                                           const std::filesystem::path& file,
                                           const TraceReadOptions& options);

/// JSON: one document, an array of records, or one record a line.
[[nodiscard]] Result<Trace> read_json_trace(TextInput& text, const std::string& name,
                                            const TraceReadOptions& options);

/// The rows behind the header of a ServeGen `*_clients.csv`; `columns` are the header's normalised names.
[[nodiscard]] Result<Trace> read_servegen_trace(TextInput& text, const std::vector<std::string>& columns,
                                                const std::string& name, const std::filesystem::path& file,
                                                const TraceReadOptions& options);

/// "Request tokens" -> "requesttokens": lower case letters and digits only.
[[nodiscard]] std::string normalised_column(std::string_view name);

/// The comma, semicolon or tab of which a table's header has most.
[[nodiscard]] char separator_of(std::string_view header);

/// The fields of one CSV record (RFC 4180) that begins with `line`; takes further lines while a quote is
/// open. False, with what is wrong in `error`, where a quote is misplaced or never closed.
[[nodiscard]] bool split_csv_record(TextInput& text, std::string_view line, std::vector<std::string>& fields,
                                    std::string& error, char separator = ',');

}  // namespace windtunnel
