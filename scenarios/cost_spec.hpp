#pragma once
#include "models/instance_types.hpp"
#include "models/problem.hpp"
#include "scenarios/documents/decoder.hpp"

#include <cstdint>
#include <optional>
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

/// When a reservation begins or ends: seconds from the run's start, or a date.
struct ReservationTime {
    std::optional<double> at_s;
    std::string date;  ///< "2026-11-26T11:30:00Z"

    [[nodiscard]] bool given() const { return at_s.has_value() || !date.empty(); }
};

/// Nodes that the cloud keeps for a pool, whatever it has left for others, paid for as long as the reservation is there.
struct ReservationSpec {
    std::string pool;
    std::int32_t nodes = 0;
    std::string zone, instance_type;  ///< "" = the pool has one
    bool block = false;               ///< its machines go before it ends; else they go on on demand
    ReservationTime from, until;      ///< not given: it is there before the run, and after it
    std::optional<std::int64_t> nano_usd_per_hour;    ///< of one node; empty: at the price on demand
    std::optional<std::int64_t> nano_usd_upfront;     ///< of all nodes and the whole time
    std::optional<Tick> nodes_end_before;             ///< of a block: before its end
    std::optional<Tick> drain_before;                 ///< the nodes' end
    SourcePosition where;
    std::string path;
};

/// A limit of the cloud on an account: `cluster.quotas`.
struct CloudQuotaSpec {
    std::string name;
    std::optional<std::int64_t> vcpus, gpus;  ///< exactly one
    std::vector<std::string> types;           ///< beginnings of instance types; empty = all
    std::string gpu;                          ///< a name of the catalogue; "" = any or none
    std::optional<CapacityType> capacity;     ///< empty = both
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
    std::int64_t balancer_nano_usd_per_hour = 0;  ///< of a load balancer, while it is there
    std::int64_t balancer_nano_usd_per_gb = 0;    ///< of what goes through it, both ways
    std::string tenant_label = "tenant";          ///< of pods, or of what makes them: whose they are
    std::vector<CommitmentSpec> commitments;
};

/// Decodes an item of `cluster.reservations`.
[[nodiscard]] ReservationSpec decode_reservation(Decoder& item);

/// Decodes an item of `cluster.quotas`.
[[nodiscard]] CloudQuotaSpec decode_cloud_quota(Decoder& item);

/// Decodes `cluster.costs`.
[[nodiscard]] CostSpec decode_costs(Decoder& costs);

}  // namespace windtunnel
