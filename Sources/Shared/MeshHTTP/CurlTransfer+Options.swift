// SPDX-License-Identifier: Apache-2.0

internal import CCurl

/// A request as libcurl's options. libcurl's defaults that reach into the environment are switched off one by one.
extension CurlTransfer {
    func configure() throws {
        try setCallbacks()
        try set(CURLOPT_URL, request.url)
        try set(CURLOPT_NOSIGNAL, 1)
        try set(CURLOPT_PROXY, "")
        try set(CURLOPT_PROTOCOLS_STR, "http,https")
        try set(CURLOPT_FOLLOWLOCATION, 0)
        try set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        try set(CURLOPT_TCP_KEEPALIVE, 1)
        try setPlace()
        try setTimes()
        try setMessage()
        if request.url.hasPrefix("https:") { try setTLS(request.tls) }
    }

    private func setPlace() throws {
        if let socket = request.unixSocket { try set(CURLOPT_UNIX_SOCKET_PATH, socket) }
        // Empty host and port in front: whatever the URL says.
        if let other = request.dialInstead { try set(CURLOPT_CONNECT_TO, list: ["::\(other)"]) }
    }

    private func setTimes() throws {
        try set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request.connectTimeout))
        if let deadline = request.deadline { try set(CURLOPT_TIMEOUT_MS, milliseconds(deadline)) }
    }

    private func setMessage() throws {
        if request.method == .head { try set(CURLOPT_NOBODY, 1) }
        let mayCarryBody = [HTTPRequest.Method.post, .put, .patch].contains(request.method)
        if mayCarryBody || !request.body.isEmpty {
            try set(CURLOPT_POST, 1)
            try set(body: request.body)
        }
        try set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        // When a kept connection dies, libcurl sends the request once more by itself, whatever the method: a POST could take effect twice.
        if request.method == .post { try set(CURLOPT_FRESH_CONNECT, 1) }
        // libcurl would wait a second for a "100 Continue", and would call any body a form.
        var lines = ["Expect:"]
        let given = request.headers.map { $0.name.lowercased() }
        if !given.contains("content-type") { lines.append("Content-Type:") }
        if !given.contains("user-agent") { lines.append("User-Agent: meshgate") }
        // In libcurl's notation "Name:" removes a header and "Name;" sends an empty one.
        lines += request.headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
        try set(CURLOPT_HTTPHEADER, list: lines)
    }

    private func setTLS(_ tls: HTTPTLS) throws {
        try set(CURLOPT_SSL_VERIFYPEER, 1)
        try set(CURLOPT_SSL_VERIFYHOST, 2)
        try set(CURLOPT_SSLVERSION, tls.minimum == .v13 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2)
        // A resumed session would carry an older judgement about certificates into a new connection.
        try set(CURLOPT_SSL_SESSIONID_CACHE, 0)
        switch tls.roots {
        case .system:
            break
        case .file(let path):
            try set(CURLOPT_CAINFO, path)
            // Debian builds libcurl with a directory of roots that would count beside the file; a cached store would outlive a new file.
            try set(CURLOPT_CAPATH, nil as String?)
            try set(CURLOPT_CA_CACHE_TIMEOUT, 0)
        case .pem(let bytes):
            try set(CURLOPT_CAINFO_BLOB, bytes: bytes)
            try set(CURLOPT_CAPATH, nil as String?)
            try set(CURLOPT_CA_CACHE_TIMEOUT, 0)
        }
        if let identity = tls.identity {
            try set(CURLOPT_SSLCERTTYPE, "PEM")
            try set(CURLOPT_SSLCERT_BLOB, bytes: identity.certificate)
            try set(CURLOPT_SSLKEYTYPE, "PEM")
            try set(CURLOPT_SSLKEY_BLOB, bytes: identity.key)
        }
    }

    /// At least one: zero would mean libcurl's own default, or no limit at all.
    private func milliseconds(_ duration: Duration) -> Int {
        let parts = duration.components
        return Int(max(1, min(parts.seconds, 1 << 30) * 1000 + parts.attoseconds / 1_000_000_000_000_000))
    }
}
