// SPDX-License-Identifier: Apache-2.0

extension OperatorClient {
    /// What became of all events.
    package func books() async throws -> BooksReply { try await get(.books) }

    /// Hands over each stored event (one JSON object, without its newline) that the parameters ask for; the server checks them.
    package func telemetry(
        _ parameters: [String: String], onLine: @escaping @Sendable (String) async throws -> Void
    ) async throws {
        try await lines(.telemetry, query: parameters, onLine: onLine)
    }
}
