#pragma once
#include "models/spot_market.hpp"
#include "scenarios/documents/decoder.hpp"

#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// What a scenario says about the spot market of its nodes: `spot` of a pool, or one of `cluster.spot`.
struct SpotSpec {
    std::string pool, instance_type, zone;        ///< of `cluster.spot`: whom it is about; "" = everyone
    std::optional<double> interruptions_per_hour; ///< of one node
    std::vector<double> hour_factors;             ///< of the 24 hours of the day; empty: all 1
    std::optional<double> reclaims_per_day;       ///< a whole zone takes back a share of its nodes
    double reclaim_share = 1;
    std::optional<double> droughts_per_day;       ///< whiles without capacity
    double drought_hours = 1;                     ///< their mean length
    double drought_share = 0;                     ///< of the nodes that go when one begins
    std::string nodes;                            ///< file: the pool's nodes are the recorded ones
    std::string capacity;                         ///< file: the cloud has as many nodes as recorded
    std::string fit;                              ///< file: a market fitted to what was recorded
    std::string prices;                           ///< file: prices in force
    std::optional<bool> ones_are_available;
    std::optional<double> step_s;
    std::optional<Tick> from;                     ///< t = 0 is so far behind the recorded histories' start
    std::optional<Tick> notice, rebalance_lead;
    std::optional<SpotHandler> handler;
    SourcePosition where;
    std::string path;

    [[nodiscard]] bool replaces_default() const {
        return interruptions_per_hour || reclaims_per_day || droughts_per_day || !nodes.empty() || !capacity.empty() || !fit.empty();
    }
};

/// Decodes one; `selects` where it says whom it is about. `scenario_file`: paths stand beside it.
[[nodiscard]] SpotSpec decode_spot(Decoder& spot, const std::string& scenario_file, bool selects);

}  // namespace windtunnel
