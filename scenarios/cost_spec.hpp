#pragma once
#include "models/problem.hpp"
#include "scenarios/decoder.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace windtunnel {

/// So many nodes of a pool are paid for all the time at a price of their own, used or not.
struct CommitmentSpec {
    std::string pool;
    std::int32_t nodes = 0;
    std::int64_t nano_usd_per_hour = 0;  ///< of one node
    SourcePosition where;
    std::string path;
};

/// What a cluster costs by the hour whatever it does: a load balancer, a NAT gateway, a control plane.
struct HourlyCostSpec {
    std::string name;
    std::int64_t nano_usd_per_hour = 0;
};

/// How node time is billed, and what is billed besides: `cluster.costs`.
struct CostSpec {
    bool per_hour = false;                        ///< a node's life is rounded up to whole hours, not to seconds
    double volume_gib = 0;                        ///< disk of each node
    std::int64_t volume_nano_usd_per_gib_month = 0;
    std::vector<HourlyCostSpec> hourly;
    double bytes_per_token = 0;                   ///< on the wire, of requests and answers
    std::int64_t egress_nano_usd_per_gb = 0;      ///< of output tokens, to the clients
    std::int64_t cross_zone_nano_usd_per_gb = 0;  ///< of all tokens between router and replicas
    double cross_zone_share = 0;                  ///< of the requests whose replica is in another zone
    std::vector<CommitmentSpec> commitments;
};

/// Decodes `cluster.costs`.
[[nodiscard]] CostSpec decode_costs(Decoder& costs);

}  // namespace windtunnel
