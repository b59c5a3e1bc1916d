#pragma once
#include "models/problem.hpp"
#include "scenarios/image_spec.hpp"
#include "sim/start_plan.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// A stage of a start, with names in place of numbers.
struct StartStage {
    std::string name;
    double median_s = 0, sigma = 0;  ///< of one that moves bytes: alone
    std::optional<std::vector<std::string>> after;  ///< empty: the one before
    double bytes = 0;                ///< that it moves; 0 = none
    std::string from;                ///< a source of the cluster; "" = from no one that is shared
    bool over_network = false, over_disk = false;
    Kept kept = Kept::nowhere;
    bool one_at_a_time = false;      ///< others wait for who is at it
    std::string artefact;            ///< what it makes, where others make the same; "" = something of its own
    double again_s = 0;              ///< where what it makes is there; 0 = it is left out
    bool init = false;               ///< an init container does it
    std::vector<ImageLayer> layers;  ///< of an image that comes by them
    std::int32_t downloads = 0;      ///< so many of them at once
    std::string source;              ///< of the numbers
    [[nodiscard]] bool is_image() const { return name.starts_with("image"); }
    [[nodiscard]] bool is_before_container() const { return is_image() || init; }
    [[nodiscard]] bool starts_with_pod() const { return after && after->empty() && !is_before_container(); }
};

/// The graph of a start: what has to be over before what, and the path that takes longest.
struct StartGraph {
    std::vector<StartStage> stages;         ///< before the container first, then so that none comes before what it needs
    std::vector<std::uint32_t> needs;       ///< of each stage: bits of those that it needs
    std::uint32_t before_container = 0;     ///< stages: images and init containers
    std::vector<std::size_t> critical;      ///< the longest path at the medians, in order
    double total_s = 0;                     ///< its length: the start of the first pod on a new node, the node apart
    double again_total_s = 0;               ///< the same of a later pod on the node, or on a node that shares its volumes
};

/// Orders the stages (topologically), refuses unknown names, circles and too many, and finds the longest path.
[[nodiscard]] Result<StartGraph> make_start_graph(std::vector<StartStage> stages, const SourcePosition& where,
                                                  const std::string& path);

/// "image_pull 333 s -> engine_start 20 s -> ...": the longest path; a line for people.
[[nodiscard]] std::string start_text(const StartGraph& graph);

}  // namespace windtunnel
