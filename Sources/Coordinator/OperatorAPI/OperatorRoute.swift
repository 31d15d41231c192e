// SPDX-License-Identifier: Apache-2.0

/// Every route of the admin surface. docs/openapi.yaml describes exactly these; a test compares the two.
package enum OperatorRoute: String, Hashable, Sendable, CaseIterable {
    case dashboard, stylesheet, script, health, metrics, status, plan, apply, stop, explain, nodes, invite, revoke, arming, arm, check,
        wipes, losses, preview,
        warrants,
        overrides, evidence, events, telemetry, live, books

    package enum Method: String, Hashable, Sendable { case get = "GET", post = "POST" }

    /// Viewers may use what only reads.
    package var method: Method {
        switch self {
        case .dashboard, .stylesheet, .script, .health, .metrics, .status, .plan, .explain, .nodes, .arming, .wipes, .losses, .evidence,
            .events, .telemetry, .live, .books:
            .get
        case .apply, .stop, .invite, .revoke, .arm, .check, .preview, .warrants, .overrides: .post
        }
    }

    package var path: String {
        switch self {
        case .dashboard: "/"
        case .stylesheet: "/dashboard.css"
        case .script: "/dashboard.js"
        case .health: "/healthz"
        case .metrics: "/metrics"
        case .status, .plan, .apply, .stop, .explain, .nodes, .wipes, .losses, .warrants, .overrides, .evidence, .events, .telemetry:
            "/v1/" + rawValue
        case .books: "/v1/telemetry/books"
        case .live: "/v1/telemetry/live"
        case .preview: "/v1/losses/preview"
        case .invite, .revoke, .arming, .arm, .check: "/v1/nodes/{node}/" + rawValue
        }
    }
}
