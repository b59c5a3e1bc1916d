#pragma once
#include "reports/results.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// One of `count` parts of a run: the trials whose place in the run, divided by `count`, leaves `index`.
struct Shard {
    std::uint32_t index = 0, count = 1;

    [[nodiscard]] bool holds(std::uint64_t place) const { return place % count == index; }
};
/// "2/7": the third of seven.
[[nodiscard]] Result<Shard> parse_shard(const std::string& text);

/// What a part of a run says before its trials.
struct PartHead {
    std::string version;                  ///< of the program
    std::optional<Shard> shard;           ///< empty: a whole run that keeps its trials as they finish
    std::optional<std::uint32_t> trials;  ///< of the whole run; empty where it may grow
    RunResults run;                       ///< without trials
};

/// Trials of a run, computed apart: JSON lines. The head, one line per trial in the order in which they finished,
/// a last line once all are there; a file without it grew until its program was stopped.
struct Part {
    std::string file;
    PartHead head;
    std::map<std::uint32_t, TrialNumbers> trials;  ///< by place in the run, from 0
    std::string sections;      ///< sections of the results that are not made from numbers, as JSON; "" = none
    bool complete = false;     ///< the last line is there
    std::size_t sound_bytes = 0;  ///< of the file: head and trials, without what was cut off
};

[[nodiscard]] std::string part_head_line(const PartHead& head);
[[nodiscard]] std::string part_trial_line(std::uint32_t place, const TrialNumbers& numbers);
/// The file of a complete part: the same bytes whatever order its trials finished in.
[[nodiscard]] std::string part_text(const Part& part);

[[nodiscard]] Result<Part> read_part(const std::string& file);

/// Why `part` does not belong to the run that `head` is about: another scenario, seed, version, shard, ...
[[nodiscard]] Problems foreign_to(const PartHead& head, const Part& part);

/// A run put together from all of its parts, in any order: what one process would have given. A part that is
/// missing, there twice, incomplete or of another run is a problem; all are named.
[[nodiscard]] Result<RunResults> merge_parts(std::vector<Part> parts);

}  // namespace windtunnel
