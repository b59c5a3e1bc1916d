#pragma once
#include "reports/comparison.hpp"
#include "reports/field_changes.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// Two configurations under the same weather: what differs, and what it does.
struct DiffReport {
    std::string base, candidate;  ///< as the command line names them
    std::uint64_t seed = 1;
    std::size_t trials = 0;
    bool complete = true;
    bool has_fields = true;       ///< false: the base is a finished run, whose files are not there
    std::string pairing;          ///< "trial by trial, under the same seed"
    std::vector<FieldChange> fields;
    std::vector<ComparedRow> rows;
    double tolerance = 0;         ///< a change below it, relative, is not worth a word in the verdict

    /// Something differs in the files, or surely in a number.
    [[nodiscard]] bool differs() const;
    /// "better latency, dearer. Monthly cost +$5,410 ($81,020 -> $86,430)".
    [[nodiscard]] std::string verdict() const;
};

[[nodiscard]] std::string diff_text(const DiffReport& report, bool coloured);
[[nodiscard]] std::string diff_json(const DiffReport& report);
[[nodiscard]] std::string diff_markdown(const DiffReport& report);

}  // namespace windtunnel
