#pragma once
#include "models/spot_market.hpp"

#include <string>
#include <string_view>

namespace windtunnel {

/// What is publicly known of a cloud's spot market, and stands in where a scenario says nothing.
struct SpotFacts {
    double interruptions_per_hour = 0;  ///< of one node
    std::string says;                   ///< the fact, as a clause with its source
    double notice_s = 120;
    double free_before_s = 0;           ///< a node that is taken sooner costs nothing
    SpotHandler handler = SpotHandler::evictions;
    std::string handler_says;
    bool refills = true;                ///< its node groups replace what was taken
};

/// `cloud`: "aws", "gcp", "azure" or "" (none: as AWS without a band). `place`: a region or zone.
[[nodiscard]] SpotFacts spot_facts(std::string_view cloud, std::string_view instance_type, std::string_view place);

}  // namespace windtunnel
