#include "scenarios/cost_spec.hpp"

#include "models/gpu_catalog.hpp"

namespace windtunnel {

namespace {

/// 30 years: reservations and blocks begin long before a run and end long after it.
constexpr double longest_reservation_s = 1e9;

ReservationTime decode_time(Decoder& item, const std::string& name) {
    ReservationTime out;
    if (item.has(name) && item.has(name + "_s")) item.error(name, "stands beside " + name + "_s, allowed: one of them");
    out.date = item.text(name).value_or("");
    out.at_s = item.number(name + "_s", -longest_reservation_s, longest_reservation_s);
    return out;
}

}  // namespace

ReservationSpec decode_reservation(Decoder& item) {
    ReservationSpec out;
    out.where = item.where();
    out.path = item.path();
    out.pool = item.required_text("pool");
    out.nodes = item.int32("nodes", 1, 100'000).value_or(0);
    if (!item.has("nodes")) item.missing("nodes", "how many");
    out.zone = item.text("zone").value_or("");
    out.instance_type = item.text("instance_type").value_or("");
    out.nano_usd_per_hour = item.nano_usd("usd_per_hour");
    out.nano_usd_upfront = item.nano_usd("upfront_usd");
    out.block = item.choice<bool>("kind", {{"on-demand", false}, {"capacity-block", true}}).value_or(false);
    out.from = decode_time(item, "start");
    out.until = decode_time(item, "end");
    out.nodes_end_before = item.duration("nodes_end_before_s", 0, 86'400);
    out.drain_before = item.duration("drain_before_s", 0, 86'400);
    if (out.nano_usd_per_hour && out.nano_usd_upfront) item.error("upfront_usd", "stands beside usd_per_hour, allowed: one of them");
    if (out.nano_usd_upfront && !(out.from.given() && out.until.given()))
        item.error("upfront_usd", "is the price of a reservation whose start and end are not said, allowed: with start and end (dates, or seconds as start_s and end_s)");
    if (out.block && !out.until.given()) item.missing("end", "when the block ends, a date such as 2026-11-26T11:30:00Z (or end_s, seconds from the run's start)");
    for (const char* name : {"nodes_end_before_s", "drain_before_s"})
        if (item.has(name) && !out.block) item.error(name, "is about machines that go with their reservation, allowed: with kind: capacity-block");
    item.finish();
    return out;
}

CloudQuotaSpec decode_cloud_quota(Decoder& item) {
    CloudQuotaSpec out;
    out.where = item.where();
    out.path = item.path();
    out.name = item.text("name").value_or("");
    out.vcpus = item.integer("vcpus", 0, 1'000'000'000);
    out.gpus = item.integer("gpus", 0, 1'000'000'000);
    if (item.has("vcpus") == item.has("gpus"))
        item.error("", std::string("has ") + (item.has("vcpus") ? "both vcpus and gpus" : "neither vcpus nor gpus") + ", allowed: exactly one");
    out.types = item.texts("types");
    if (const auto gpu = item.text("gpu")) {
        if (const auto known = get_gpu(*gpu))
            out.gpu = known->gpu.name;
        else
            item.error("gpu", known.problems().front().message);
    }
    out.capacity = item.choice<CapacityType>("capacity_type", {{"on-demand", CapacityType::on_demand}, {"spot", CapacityType::spot}});
    item.finish();
    if (out.name.empty()) out.name = out.vcpus ? std::to_string(*out.vcpus) + " vCPUs" : std::to_string(out.gpus.value_or(0)) + " GPUs";
    return out;
}

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
    if (costs.has("load_balancer")) {
        Decoder balancer = costs.child("load_balancer");
        out.balancer_nano_usd_per_hour = balancer.nano_usd("usd_per_hour").value_or(0);
        out.balancer_nano_usd_per_gb = balancer.nano_usd("usd_per_gb").value_or(0);
        if (!balancer.has("usd_per_hour")) balancer.missing("usd_per_hour", "a price");
        if (out.balancer_nano_usd_per_gb > 0 && !(out.bytes_per_token > 0))
            balancer.error("usd_per_gb", "stands without traffic.bytes_per_token, allowed: with it (bytes on the wire for each token)");
        balancer.finish();
    }
    out.tenant_label = costs.text("tenant_label").value_or(out.tenant_label);
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
    costs.quiet({"volumes", "traffic", "load_balancer"});
    costs.finish();
    return out;
}

}  // namespace windtunnel
