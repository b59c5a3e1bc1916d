#include "scenarios/cost_spec.hpp"

namespace windtunnel {

CostSpec decode_costs(Decoder& costs) {
    CostSpec out;
    out.per_hour = costs.choice<bool>("billing", {{"per-second", false}, {"per-hour", true}}).value_or(false);
    if (costs.has("volumes")) {
        Decoder volumes = costs.child("volumes");
        out.volume_gib = volumes.number("gib_per_node", 0, 1e6).value_or(0);
        out.volume_nano_usd_per_gib_month = volumes.nano_usd("usd_per_gib_month").value_or(0);
        if (!volumes.has("gib_per_node") || !volumes.has("usd_per_gib_month")) volumes.missing("", "gib_per_node and usd_per_gib_month");
        volumes.finish();
    }
    for (Decoder& item : costs.children("hourly")) {
        HourlyCostSpec cost;
        cost.name = item.required_text("name");
        if (!item.has("usd_per_hour")) item.missing("usd_per_hour", "a price");
        cost.nano_usd_per_hour = item.nano_usd("usd_per_hour").value_or(0);
        item.finish();
        out.hourly.push_back(std::move(cost));
    }
    if (costs.has("traffic")) {
        Decoder traffic = costs.child("traffic");
        out.bytes_per_token = traffic.number("bytes_per_token", 0, 1e6).value_or(0);
        if (!traffic.has("bytes_per_token")) traffic.missing("bytes_per_token", "bytes on the wire for each token");
        out.egress_nano_usd_per_gb = traffic.nano_usd("egress_usd_per_gb").value_or(0);
        out.cross_zone_nano_usd_per_gb = traffic.nano_usd("cross_zone_usd_per_gb").value_or(0);
        out.cross_zone_share = traffic.number("cross_zone_share", 0, 1).value_or(0);
        traffic.finish();
    }
    for (Decoder& item : costs.children("committed")) {
        CommitmentSpec c;
        c.where = item.where();
        c.path = item.path();
        c.pool = item.required_text("pool");
        c.nodes = item.int32("nodes", 1, 100'000).value_or(0);
        if (!item.has("nodes")) item.missing("nodes", "how many");
        if (!item.has("usd_per_hour")) item.missing("usd_per_hour", "the price of one node");
        c.nano_usd_per_hour = item.nano_usd("usd_per_hour").value_or(0);
        item.finish();
        out.commitments.push_back(std::move(c));
    }
    costs.quiet({"volumes", "traffic"});
    costs.finish();
    return out;
}

}  // namespace windtunnel
