// SPDX-License-Identifier: Apache-2.0

import MeshHTTP

extension OperatorClient {
    /// What became of all events.
    package func books() async throws -> BooksReply { try await get(.books) }

    /// Hands over each stored event (one JSON object, without its newline) that the parameters ask for; the server checks them.
    package func telemetry(
        _ parameters: [String: String], onLine: @escaping @Sendable (String) async throws -> Void
    ) async throws {
        var request = request(.telemetry, query: parameters)
        request.deadline = nil
        request.idleLimit = .seconds(60)
        let lines = LineBuffer()
        do {
            let head = try await http.stream(request) { head, bytes in
                guard head.isSuccess else { return lines.keep(bytes) }
                for line in lines.split(bytes) { try await onLine(line) }
            }
            guard head.isSuccess else { throw refusal(HTTPResponse(head: head, body: lines.rest), .telemetry) }
        } catch let error as HTTPClientError {
            throw OperatorClientError.failed(error)
        }
    }
}
