#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "scenarios/markets/price_list.hpp"

#include <memory>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

struct PriceFlags {
    std::string file, output = "table", capacity;
    PriceFilter filter;
    std::size_t limit = 40;
};

int run_prices(PriceFlags f) {
    if (!f.capacity.empty()) f.filter.capacity = f.capacity == "spot" ? CapacityType::spot : CapacityType::on_demand;
    Result<PriceList> list = f.file.empty() ? Result<PriceList>(catalogue_prices()) : read_price_list(std::filesystem::path(f.file));
    if (!list) {
        print_errors(list.problems());
        return bad_input;
    }
    for (const Problem& warning : list->warnings) print_line("warning: " + to_string(warning));
    const auto rows = filtered(*list, f.filter);
    if (!rows) {
        print_errors(rows.problems());
        return bad_input;
    }
    if (f.file.empty() && !f.filter.cloud.empty())  // where the prices shown are from
        if (const auto cloud = get_cloud(f.filter.cloud)) list->source = (*cloud)->name + ": " + (*cloud)->price_source;
    const std::string text = f.output == "json"       ? price_json(*rows, *list).dump(2) + "\n"
                             : f.output == "csv"      ? price_csv(*rows)
                             : f.output == "skypilot" ? skypilot_csv(*rows)
                                                      : price_table(*rows, *list, f.limit);
    return print_data(text) ? answered : run_broke;
}

}  // namespace

void add_prices_command(CLI::App& app, Invocation& invocation) {
    CLI::App* command = app.add_subcommand("prices", "Instance types and what they cost: lists, filters, converts");
    const auto flags = std::make_shared<PriceFlags>();
    command->add_option("file,--price-list", flags->file, "a price list of your own, of any format below; default: the catalogue");
    command->add_option("--cloud", flags->filter.cloud, "aws, gcp, azure, ...");
    command->add_option("--region", flags->filter.region, "only there");
    command->add_option("--type", flags->filter.instance_type, "only this instance type");
    command->add_option("--gpu", flags->filter.gpu, "only with this GPU");
    command->add_option("--gpus", flags->filter.gpus, "only with so many GPUs");
    command->add_option("--capacity", flags->capacity, "only what is sold so, by its price")->check(CLI::IsMember({"spot", "on-demand"}));
    command->add_flag("--per-gpu", flags->filter.per_gpu, "cheapest first by the price of one GPU");
    command->add_option("--limit", flags->limit, "rows of the table")->capture_default_str();
    command->add_option("-o,--output", flags->output, "table, json, csv or skypilot")->check(CLI::IsMember({"table", "json", "csv", "skypilot"}))->capture_default_str();
    command->footer(
        "\nA price list of your own holds in a scenario too: cluster.prices: FILE. Formats are told apart by content, .gz and .zst\n"
        "too: SkyPilot's catalogues (CSV), Karpenter's initial prices (JSON, Go), AWS's price list (bulk JSON and CSV, aws pricing\n"
        "get-products) and spot price history, Azure's retail prices (JSON pages), FOCUS 1.x exports and AWS's cost and usage\n"
        "reports (CSV), ec2instances.info and Lambda's API (JSON), what -o json and -o csv print, and CSV (commas, semicolons, tabs)\n"
        "or JSON records with instance_type, region, price_usd_per_hour and by choice cloud, zone, spot_usd_per_hour,\n"
        "committed_usd_per_hour, gpu, gpus, vcpus, memory_gib, date; what they leave unsaid of a machine is the catalogue's. Prices of\n"
        "parts are summed: Google's SKUs (Cloud Billing catalogue as JSON, the console's table as CSV), Oracle's list (JSON).\n\n"
        "Examples:\n"
        "  windtunnel prices --gpu l4 --region us-east-1\n"
        "  windtunnel prices --gpu h100-sxm-80gb --capacity spot --per-gpu\n"
        "  windtunnel prices skypilot/aws.csv --type p5.48xlarge -o json\n");
    command->callback([flags, &invocation] { invocation.action = [flags] { return run_prices(*flags); }; });
}

}  // namespace windtunnel
