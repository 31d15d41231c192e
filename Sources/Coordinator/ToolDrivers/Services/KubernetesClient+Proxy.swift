// SPDX-License-Identifier: Apache-2.0

import MeshHTTP

extension KubernetesClient {
    /// What a workload behind the API server's proxy answers, of any kind: its status and its text.
    func proxied(_ path: String) async throws -> (status: Int, text: String) {
        let call = KubernetesCall(method: .get, path: path, deadline: .seconds(20), isRepeatable: true)
        let response = try await http.send(try await request(call))
        return (response.status, response.text)
    }
}
