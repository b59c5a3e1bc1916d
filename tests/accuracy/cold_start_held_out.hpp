#pragma once
#include "models/cold_start_facts.hpp"
#include "tests/accuracy/evaluation.hpp"

#include <optional>
#include <string>
#include <vector>

namespace windtunnel::accuracy {

/// A log of one engine's start: what ran, what is predicted of it as shipped, and what it measured, in seconds.
struct EngineLog {
    std::string id, source;
    KvCapacity capacity;
    std::vector<ColdStartStage> predicted;
    std::optional<double> dynamo, compile, capture, profile, whole;
};

/// The same logs predicted with facts of engines that were fitted again without their source: fixed times and times by layer of
/// the trace, the compilation and each kind of graph capture, how much slower a T4 captures, and the profiling run. A stage of
/// which fewer than three other sources say anything is left out, and so is a whole with such a stage in it. Compilations that
/// are cached are as shipped.
[[nodiscard]] std::vector<Comparison> held_out(const std::vector<EngineLog>& logs);

}  // namespace windtunnel::accuracy
