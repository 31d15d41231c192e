// SPDX-License-Identifier: Apache-2.0

extension MetricsState {
    /// How one stream stands that is sent on over OTLP, in counts since the start of the process.
    package struct Delivery: Hashable, Sendable {
        /// `telemetry`, `events`, `metrics` or `traces`.
        package var stream: String
        package var sent: UInt64
        /// By reason: the collector would not have them, and will not have them later.
        package var rejected: [String: UInt64]
        /// By reason: they were gone before they could be sent.
        package var lost: [String: UInt64]
        package var retries: UInt64
        /// Seconds that the oldest unsent item has waited; 0 when there is none.
        package var behindSeconds: Double
        /// Whether the last request succeeded.
        package var isDelivering: Bool

        package init(
            stream: String, sent: UInt64 = 0, rejected: [String: UInt64] = [:], lost: [String: UInt64] = [:], retries: UInt64 = 0,
            behindSeconds: Double = 0, isDelivering: Bool = true
        ) {
            self.stream = stream
            self.sent = sent
            self.rejected = rejected
            self.lost = lost
            self.retries = retries
            self.behindSeconds = behindSeconds
            self.isDelivering = isDelivering
        }
    }
}

/// What became of what is sent on over OTLP. Series grow with streams and reasons, which are few and ours.
extension MetricsPage {
    static func deliveries(_ deliveries: [MetricsState.Delivery], _ page: inout MetricsText) {
        func label(_ delivery: MetricsState.Delivery) -> [(String, String)] { [("stream", delivery.stream)] }
        func byReason(_ counts: KeyPath<MetricsState.Delivery, [String: UInt64]>) -> [MetricsText.Sample] {
            deliveries.flatMap { delivery in
                delivery[keyPath: counts].sorted { $0.key < $1.key }.map { (label(delivery) + [("reason", $0.key)], Double($0.value)) }
            }
        }
        page.add(
            "meshgate_otlp_sent_items_total", .counter, "Log records, data points and spans that the collector took.",
            deliveries.map { (label($0), Double($0.sent)) })
        page.add(
            "meshgate_otlp_rejected_items_total", .counter, "Items that the collector refused for good, by reason.", byReason(\.rejected))
        page.add("meshgate_otlp_lost_items_total", .counter, "Items that were gone before they could be sent, by reason.", byReason(\.lost))
        page.add(
            "meshgate_otlp_retries_total", .counter, "Requests that had to be sent again.",
            deliveries.map { (label($0), Double($0.retries)) })
        page.add(
            "meshgate_otlp_behind_seconds", .gauge, "How long the oldest item that is not sent yet has waited.",
            deliveries.map { (label($0), $0.behindSeconds) })
        page.add(
            "meshgate_otlp_delivering", .gauge, "1 unless the last request failed.",
            deliveries.map { (label($0), $0.isDelivering ? 1 : 0) })
    }
}
