// KEDA's triggers: what each scaler's metadata means (kubernetes.md 2.7; keys of scalers that it does not name are
// from general knowledge of KEDA's documentation, not re-read, 2026-11).
#include "scenarios/kubernetes/autoscaling_fields.hpp"

#include <algorithm>

#include "scenarios/commands/command_line.hpp"

namespace windtunnel {

double metadata_number(Decoder& metadata, const std::string& key, double fallback, bool required, bool positive) {
    const auto value = metadata.text(key);
    if (!value) {
        if (required && !metadata.has(key)) metadata.missing(key, "a number in quotes");
        return fallback;
    }
    const Node number = resolve_plain_scalar(*value);
    const bool numeric = number.kind == Node::Kind::integer || number.kind == Node::Kind::number;
    if (!numeric || (positive && number.number <= 0) || !(number.number > -1e18 && number.number < 1e18)) {
        metadata.error(key, "found \"" + *value + "\", allowed: a number" + (positive ? " above 0" : ""));
        return fallback;
    }
    return number.number;
}

namespace {

bool metadata_bool(Decoder& metadata, const std::string& key, bool fallback) {
    return metadata
        .choice<bool>(key, {{"true", true}, {"false", false}, {"True", true}, {"False", false}})
        .value_or(fallback);
}

using Keys = std::vector<std::string>;

/// A scaler of something outside the cluster: where it keeps the target per replica, its default (0: the key
/// is required), its activation threshold, the name of what it looks at, and its other keys, which say how it
/// is reached. `queue`: what it counts are the messages of a queue.
struct Scaler {
    std::string type;
    bool queue;
    std::string target;
    double fallback;
    std::string activation;
    std::string name;
    Keys others;
};

const Keys aws_keys = {"awsRegion", "awsEndpoint", "identityOwner", "awsAccessKeyIDFromEnv", "awsSecretAccessKeyFromEnv", "awsRoleArn"};
const Keys redis_keys = {"address", "addressFromEnv", "addresses", "host", "hosts", "hostFromEnv", "port", "ports", "portFromEnv", "username", "usernameFromEnv",
                         "password", "passwordFromEnv", "databaseIndex", "enableTLS", "unsafeSsl", "sentinelMaster", "sentinelMasterFromEnv", "sentinelUsername",
                         "sentinelUsernameFromEnv", "sentinelPassword", "sentinelPasswordFromEnv", "addressesFromEnv", "hostsFromEnv", "portsFromEnv", "metricName"};

Keys operator+(Keys a, const Keys& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

const std::vector<Scaler>& scalers() {
    static const Keys kafka = {"bootstrapServers", "consumerGroup", "partitionLimitation", "offsetResetPolicy", "allowIdleConsumers", "scaleToZeroOnInvalidOffset",
                               "excludePersistentLag", "limitToPartitionsWithLag", "ensureEvenDistributionOfPartitions", "version", "sasl", "tls", "unsafeSsl",
                               "bootstrapServersFromEnv", "topicFromEnv", "consumerGroupFromEnv", "awsRegion", "awsEndpoint", "saslTokenProvider", "metricName"};
    static const Keys streams = {"consumerGroup", "pendingEntriesCount", "lagCount", "streamLength"};
    static const std::vector<Scaler> table = {
        {"aws-sqs-queue", true, "queueLength", 5, "activationQueueLength", "queueURL", aws_keys + Keys{"queueURLFromEnv", "scaleOnInFlight", "scaleOnDelayed"}},
        {"redis", true, "listLength", 5, "activationListLength", "listName", redis_keys},
        {"redis-cluster", true, "listLength", 5, "activationListLength", "listName", redis_keys},
        {"redis-sentinel", true, "listLength", 5, "activationListLength", "listName", redis_keys},
        {"redis-streams", true, "pendingEntriesCount", 5, "activationLagCount", "stream", redis_keys + streams},
        {"redis-cluster-streams", true, "pendingEntriesCount", 5, "activationLagCount", "stream", redis_keys + streams},
        {"redis-sentinel-streams", true, "pendingEntriesCount", 5, "activationLagCount", "stream", redis_keys + streams},
        {"kafka", true, "lagThreshold", 10, "activationLagThreshold", "topic", kafka},
        {"apache-kafka", true, "lagThreshold", 10, "activationLagThreshold", "topic", kafka},
        {"rabbitmq", true, "value", 0, "activationValue", "queueName",
         {"host", "hostFromEnv", "protocol", "mode", "queueLength", "vhostName", "useRegex", "regexPageSize", "pageSize", "operation", "excludeUnacknowledged", "timeout",
          "unsafeSsl", "usernameFromEnv", "passwordFromEnv", "tls", "workloadIdentityResource", "vhostNameFromEnv", "metricName"}},
        {"nats-jetstream", true, "lagThreshold", 10, "activationLagThreshold", "stream",
         {"natsServerMonitoringEndpoint", "natsServerMonitoringEndpointFromEnv", "account", "consumer", "useHttps"}},
        {"azure-servicebus", true, "messageCount", 5, "activationMessageCount", "queueName",
         {"topicName", "subscriptionName", "namespace", "connectionFromEnv", "cloud", "endpointSuffix", "useRegex", "operation"}},
        {"azure-queue", true, "queueLength", 5, "activationQueueLength", "queueName", {"connectionFromEnv", "accountName", "cloud", "endpointSuffix", "queueLengthStrategy"}},
        {"gcp-pubsub", true, "value", 10, "activationValue", "subscriptionName",
         {"mode", "subscriptionSize", "topicName", "aggregation", "timeHorizon", "valueIfNull", "credentialsFromEnv", "credentialsFromEnvFile", "subscriptionNameFromEnv",
          "topicNameFromEnv", "filterDuration"}},
        {"activemq", true, "targetQueueSize", 10, "activationTargetQueueSize", "destinationName", {}},
        {"artemis-queue", true, "queueLength", 10, "activationQueueLength", "queueName", {}},
        {"beanstalkd", true, "value", 0, "activationValue", "tube", {}},
        {"gcp-cloudtasks", true, "value", 100, "activationValue", "queueName", {}},
        {"ibmmq", true, "queueDepth", 20, "activationQueueDepth", "queueName", {}},
        {"liiklus", true, "lagThreshold", 10, "activationLagThreshold", "topic", {}},
        {"nsq", true, "depthThreshold", 10, "activationDepthThreshold", "topic", {}},
        {"pulsar", true, "msgBacklogThreshold", 10, "activationMsgBacklogThreshold", "topic", {}},
        {"stan", true, "lagThreshold", 10, "activationLagThreshold", "subject", {}},
        {"temporal", true, "targetQueueSize", 5, "activationTargetQueueSize", "taskQueue", {}},
        {"solace-event-queue", true, "messageCountTarget", 0, "activationMessageCountTarget", "queueName", {}},
        // Everything below reports a number of its own.
        {"metrics-api", false, "targetValue", 0, "activationTargetValue", "valueLocation",
         {"url", "format", "authMode", "method", "keyParamName", "unsafeSsl", "aggregateFromKubeServiceEndpoints", "aggregationType", "timeout"}},
        {"datadog", false, "queryValue", 0, "activationQueryValue", "query",
         {"queryAggregator", "metricUnavailableValue", "age", "timeWindowOffset", "lastAvailablePointOffset", "type", "useClusterAgentProxy", "datadogMetricName",
          "datadogMetricNamespace", "targetValue", "activationTargetValue", "hpaMetricName"}},
        {"new-relic", false, "threshold", 0, "activationThreshold", "nrql", {"account", "region", "noDataError"}},
        {"aws-cloudwatch", false, "targetMetricValue", 0, "activationTargetMetricValue", "metricName",
         aws_keys + Keys{"namespace", "dimensionName", "dimensionValue", "expression", "minMetricValue", "metricStat", "metricStatPeriod", "metricCollectionTime",
                         "metricEndTimeOffset", "metricUnit", "ignoreNullValues", "errorWhenMetricValuesEmpty"}},
        {"aws-kinesis-stream", false, "shardCount", 2, "activationShardCount", "streamName", aws_keys},
        {"azure-monitor", false, "targetValue", 0, "activationTargetValue", "metricName", {}},
        {"azure-log-analytics", false, "threshold", 0, "activationThreshold", "query", {}},
        {"azure-eventhub", false, "unprocessedEventThreshold", 64, "activationUnprocessedEventThreshold", "eventHubName", {}},
        {"gcp-stackdriver", false, "targetValue", 5, "activationTargetValue", "filter", {}},
        {"arangodb", false, "queryValue", 0, "activationQueryValue", "collection", {}},
        {"aws-dynamodb", false, "targetValue", 0, "activationTargetValue", "tableName", {}},
        {"aws-dynamodb-streams", false, "shardCount", 2, "activationShardCount", "tableName", {}},
        {"azure-app-insights", false, "targetValue", 0, "activationTargetValue", "metricId", {}},
        {"azure-blob", false, "blobCount", 5, "activationBlobCount", "blobContainerName", {}},
        {"azure-data-explorer", false, "threshold", 0, "activationThreshold", "query", {}},
        {"azure-pipelines", false, "targetPipelinesQueueLength", 1, "activationTargetPipelinesQueueLength", "poolName", {}},
        {"cassandra", false, "targetQueryValue", 0, "activationTargetQueryValue", "query", {}},
        {"couchdb", false, "queryValue", 0, "activationQueryValue", "query", {}},
        {"etcd", false, "value", 0, "activationValue", "watchKey", {}},
        {"forgejo-runner", false, "", 1, "", "name", {}},
        {"gcp-storage", false, "targetObjectCount", 100, "activationTargetObjectCount", "bucketName", {}},
        {"github-runner", false, "targetWorkflowQueueLength", 1, "activationTargetWorkflowQueueLength", "owner", {}},
        {"huawei-cloudeye", false, "targetMetricValue", 0, "activationTargetMetricValue", "metricName", {}},
        {"openstack-metric", false, "threshold", 0, "activationThreshold", "metricID", {}},
        {"openstack-swift", false, "objectCount", 2, "activationObjectCount", "containerName", {}},
        {"predictkube", false, "threshold", 0, "activationThreshold", "query", {}},
        {"selenium-grid", false, "", 1, "", "browserName", {}},
        {"solace-direct-messaging", false, "", 1, "", "solaceSempBaseURL", {}},
        {"solarwinds", false, "targetValue", 0, "activationValue", "metricName", {}},
        {"solr", false, "targetQueryValue", 0, "activationTargetQueryValue", "query", {}},
        {"splunk-observability", false, "targetValue", 0, "activationTargetValue", "query", {}},
        {"sumologic", false, "threshold", 0, "activationThreshold", "query", {}},
        {"graphite", false, "threshold", 0, "activationThreshold", "query", {}},
        {"influxdb", false, "thresholdValue", 0, "activationThresholdValue", "query", {}},
        {"loki", false, "threshold", 0, "activationThreshold", "query", {}},
        {"elasticsearch", false, "targetValue", 0, "activationTargetValue", "searchTemplateName", {}},
        {"dynatrace", false, "threshold", 0, "activationThreshold", "metricSelector", {}},
        {"splunk", false, "targetValue", 0, "activationValue", "savedSearchName", {}},
        {"mysql", false, "queryValue", 0, "activationQueryValue", "query", {}},
        {"postgresql", false, "targetQueryValue", 0, "activationTargetQueryValue", "query", {}},
        {"mssql", false, "targetValue", 0, "activationTargetValue", "query", {}},
        {"mongodb", false, "queryValue", 0, "activationQueryValue", "query", {}},
        {"kubernetes-workload", false, "value", 0, "activationValue", "podSelector", {}},
        {"external", false, "", 1, "", "metricName", {}},
        {"external-push", false, "", 1, "", "metricName", {}},
    };
    return table;
}

void decode_prometheus(Decoder& metadata, Trigger& out) {
    out.query = metadata.required_text("query");
    out.threshold = metadata_number(metadata, "threshold", 1, true, true);
    out.activation_threshold = metadata_number(metadata, "activationThreshold", 0, false, false);
    out.ignore_null_values = metadata_bool(metadata, "ignoreNullValues", true);
    if (!metadata.has("serverAddress")) metadata.missing("serverAddress", "Prometheus' address");
    metadata.quiet({"serverAddress", "metricName", "namespace", "authModes", "customHeaders", "queryParameters", "unsafeSsl", "timeout", "cortexOrgID", "awsRegion",
                    "identityOwner", "credentialsFromEnv"});
    metadata.finish();
}

void decode_cron(Decoder& metadata, Trigger& out) {
    out.timezone = metadata.required_text("timezone");
    out.start = metadata.required_text("start");
    out.end = metadata.required_text("end");
    out.desired_replicas =
        static_cast<std::int32_t>(std::min(1e9, metadata_number(metadata, "desiredReplicas", 1, true, true)));
    metadata.finish();
    if (!out.timezone.empty() && !is_time_zone(out.timezone))
        metadata.error("timezone", "found \"" + out.timezone + "\", allowed: an IANA time zone such as Asia/Kolkata");
    for (const char* key : {"start", "end"}) {
        const std::string& expression = key[0] == 's' ? out.start : out.end;
        if (!expression.empty() && split_words(expression).size() != 5)
            metadata.error(key, "found \"" + expression + "\", allowed: five cron fields (minute hour day month weekday)");
    }
    if (!out.start.empty() && out.start == out.end)
        metadata.error("end", "found the same schedule as start, allowed: another one");
    out.threshold = 1;  // value = desiredReplicas, target AverageValue 1
}

void decode_resource_trigger(Decoder& trigger, Decoder& metadata, Trigger& out) {
    const std::string type = trigger.has("metricType") ? "" : metadata.text("type").value_or("");
    metadata.quiet({"type", "activationValue"});
    if (!type.empty()) {
        out.metric_type = metadata.choice("type", metric_target_types()).value_or(MetricTargetType::utilization);
    } else if (!trigger.has("metricType")) {
        trigger.missing("metricType", "Utilization or AverageValue");
    }
    if (out.metric_type == MetricTargetType::value)
        trigger.error("metricType", "found Value, allowed for cpu and memory: Utilization or AverageValue");
    const std::string value = metadata.required_text("value");
    out.container = metadata.text("containerName").value_or("");
    metadata.finish();
    if (value.empty()) return;
    if (out.metric_type == MetricTargetType::utilization) {
        const double percent = metadata_number(metadata, "value", 80, true, true);
        out.utilization_percent = static_cast<std::int32_t>(std::min(1e9, percent));
    } else if (auto quantity = parse_quantity(value)) {
        out.target_milli = quantity->milli_ceil();
        if (out.target_milli <= 0) metadata.error("value", "found \"" + value + "\", allowed: a quantity above 0");
    } else {
        metadata.error("value", quantity.problems()[0].message);
    }
}

/// Which of a scaler's keys holds its target, where it has several.
std::string target_key(Decoder& metadata, const Scaler& scaler, Trigger& out) {
    if (scaler.type == "rabbitmq") {
        // queueLength is the older spelling of mode QueueLength with its value; both together are refused.
        if (metadata.has("queueLength")) {
            for (const char* key : {"mode", "value"})
                if (metadata.has(key)) metadata.error(key, "stands beside queueLength, allowed: mode and value, without queueLength");
            metadata.quiet({"mode", "value"});
            return "queueLength";
        }
        const std::string mode =
            metadata.choice<std::string>("mode", {{"QueueLength", "QueueLength"}, {"MessageRate", "MessageRate"}, {"DeliverGetRate", "DeliverGetRate"},
                                                  {"PublishedToDeliveredRatio", "PublishedToDeliveredRatio"}, {"ExpectedQueueConsumptionTime", "ExpectedQueueConsumptionTime"}})
                .value_or("QueueLength");
        const std::string protocol = metadata.text("protocol").value_or("auto");
        if (!metadata.has("mode") && !metadata.has("value")) metadata.missing("mode", "QueueLength or MessageRate, with a value");
        if (mode == "MessageRate" && protocol == "amqp")
            metadata.error("protocol", "found amqp with mode MessageRate, allowed: http");
        if (mode != "QueueLength" && mode != "MessageRate") out.kind = TriggerKind::series;
        out.queue_rate = mode == "MessageRate";
        out.queue_counts_in_flight = metadata_bool(metadata, "excludeUnacknowledged", false) ? false : true;
        return "value";
    }
    if (scaler.type == "solace-event-queue" && !metadata.has("messageCountTarget"))
        for (const char* key : {"messageSpoolUsageTarget", "messageReceiveRateTarget"})
            if (metadata.has(key)) {
                out.kind = TriggerKind::series;  // megabytes, or messages a second
                return key;
            }
    if (scaler.type == "gcp-pubsub") {
        if (metadata.has("mode") && metadata.text("mode") != "SubscriptionSize" && metadata.text("mode") != "NumUndeliveredMessages")
            out.kind = TriggerKind::series;  // ages and rates are numbers of their own
        if (!metadata.has("value") && metadata.has("subscriptionSize")) return "subscriptionSize";
    }
    if (scaler.type.ends_with("streams")) {
        if (!metadata.has("consumerGroup")) return "streamLength";
        if (metadata.has("lagCount")) {
            out.queue_counts_in_flight = false;  // entries not yet delivered to the group
            return "lagCount";
        }
        return "pendingEntriesCount";
    }
    return scaler.target;
}

void decode_scaler(Decoder& metadata, const Scaler& scaler, Trigger& out) {
    out.kind = scaler.queue ? TriggerKind::queue : TriggerKind::series;
    const Keys counting = {"aws-sqs-queue", "activemq", "artemis-queue", "pulsar", "solace-event-queue"};  // what is delivered and not yet acknowledged
    out.queue_counts_in_flight = std::find(counting.begin(), counting.end(), out.type) != counting.end() || scaler.type.ends_with("streams");
    out.queue = metadata.text(scaler.name).value_or("");
    const std::string key = target_key(metadata, scaler, out);
    if (!key.empty()) {
        const bool required = scaler.fallback <= 0;
        out.threshold = metadata_number(metadata, key, required ? 1 : scaler.fallback, required, true);
        out.activation_threshold = metadata_number(metadata, scaler.activation, 0, false, false);
    } else if (out.type == "external-push" && metadata.has("httpScaledObject") && metadata.has("targetConcurrency")) {
        out.kind = TriggerKind::queue;  // derived from an HTTPScaledObject, or for a scaler that counts requests likewise
        out.queue_at_gateway = out.queue_counts_in_flight = true;
        out.queue = metadata.text("httpScaledObject").value_or("");
        out.threshold = metadata_number(metadata, "targetConcurrency", 1, true, true);
    } else {
        // An external scaler names its own target; the scenario's series is divided by `targetSize` or 1.
        out.threshold = metadata_number(metadata, "targetSize", 1, false, true);
    }
    if (out.type == "aws-sqs-queue") {
        out.queue_counts_in_flight = metadata_bool(metadata, "scaleOnInFlight", true);
        if (metadata_bool(metadata, "scaleOnDelayed", false))
            metadata.note("scaleOnDelayed", "counts delayed messages, of which the simulated queue has none");
    }
    if (out.type == "kafka" || out.type == "apache-kafka") {
        metadata.choice<int>("offsetResetPolicy", {{"latest", 0}, {"earliest", 1}});
        for (const char* name : {"allowIdleConsumers", "scaleToZeroOnInvalidOffset", "excludePersistentLag", "limitToPartitionsWithLag",
                                 "ensureEvenDistributionOfPartitions"})
            (void)metadata_bool(metadata, name, false);
    }
    metadata.quiet({scaler.target});
    metadata.quiet(scaler.others);
    if (!scaler.others.empty()) metadata.finish();  // the others' keys are their services' own
}

}  // namespace

Trigger decode_trigger(Decoder& trigger) {
    Trigger out;
    out.where = trigger.where();
    out.type = trigger.required_text("type");
    out.name = trigger.text("name").value_or("");
    out.use_cached_metrics = trigger.boolean("useCachedMetrics").value_or(false);
    out.metric_type = trigger.choice("metricType", metric_target_types()).value_or(MetricTargetType::average_value);
    trigger.quiet({"authenticationRef"});
    out.metadata = trigger.text_map("metadata");
    Decoder metadata = trigger.child("metadata");
    if (out.type == "prometheus") {
        decode_prometheus(metadata, out);
    } else if (out.type == "cron") {
        out.kind = TriggerKind::cron;
        decode_cron(metadata, out);
    } else if (out.type == "cpu" || out.type == "memory") {
        out.kind = out.type == "cpu" ? TriggerKind::cpu : TriggerKind::memory;
        decode_resource_trigger(trigger, metadata, out);
    } else {
        const Scaler* found = nullptr;
        Keys names = {"prometheus", "cron", "cpu", "memory"};
        for (const Scaler& scaler : scalers()) {
            names.push_back(scaler.type);
            if (out.type == scaler.type) found = &scaler;
        }
        if (found != nullptr) decode_scaler(metadata, *found, out);
        else if (!out.type.empty())
            trigger.error("type", "found \"" + out.type + "\", which is not simulated, allowed: " + join(names) +
                                      did_you_mean(out.type, names));
    }
    const bool resource = out.kind == TriggerKind::cpu || out.kind == TriggerKind::memory;
    if (!resource && out.metric_type == MetricTargetType::utilization && trigger.has("metricType"))
        trigger.error("metricType", "found Utilization, allowed for this trigger: AverageValue or Value");
    if (resource && out.use_cached_metrics)
        trigger.error("useCachedMetrics", "is not supported by cpu and memory triggers, allowed: leave it out");
    trigger.finish();
    return out;
}

}  // namespace windtunnel
