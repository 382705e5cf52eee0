//! Which proxy a node uses, from the environment as other programs read it.

use quorate_network::ivn::HubAddress;
use quorate_network::proxy::{Proxy, ProxyError};

/// Returns the proxy in `HTTPS_PROXY` or `ALL_PROXY` for connections to `hub`, unless `NO_PROXY`
/// excludes it. This machine is never reached through a proxy.
pub(crate) fn from_environment(hub: &HubAddress) -> Result<Option<Proxy>, ProxyError> {
    choose(hub, |name| std::env::var(name).ok())
}

fn choose(
    hub: &HubAddress,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, ProxyError> {
    let first = |names: &[&str]| {
        let values = names.iter().filter_map(|name| variable(name));
        values.map(|value| value.trim().to_owned()).find(|value| !value.is_empty())
    };
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let excluded = first(&["NO_PROXY", "no_proxy"]).unwrap_or_default();
    let host = hub.host();
    let is_here = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if is_here || excluded.split(',').any(|pattern| covers(pattern.trim(), host)) {
        return Ok(None);
    }
    first(&names).map(|text| text.parse()).transpose()
}

/// Whether an element of `NO_PROXY` names the host or its domain.
fn covers(pattern: &str, host: &str) -> bool {
    let domain = pattern.trim_start_matches('.');
    pattern == "*"
        || !domain.is_empty()
            && (host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(hub: &str, variables: &[(&str, &str)]) -> Option<Proxy> {
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        choose(&hub.parse().unwrap(), value).unwrap()
    }

    #[test]
    fn a_proxy_is_used_for_other_machines_that_are_not_excluded() {
        let proxy = ("HTTPS_PROXY", "http://proxy:3128");
        let all = ("all_proxy", "http://other:1");
        assert_eq!(chosen("hub.example:7420", &[]), None);
        assert_eq!(chosen("hub.example:7420", &[proxy, all]), proxy.1.parse().ok());
        assert_eq!(chosen("hub.example:7420", &[("HTTPS_PROXY", ""), all]), all.1.parse().ok());
        for here in ["localhost:7420", "127.0.0.1:7420", "[::1]:7420"] {
            assert_eq!(chosen(here, &[proxy]), None, "{here}");
        }
        for excluded in ["*", "hub.example", "x, .example", "example"] {
            assert_eq!(chosen("hub.example:7420", &[proxy, ("NO_PROXY", excluded)]), None);
        }
        assert!(chosen("hub.example:7420", &[proxy, ("no_proxy", "ample")]).is_some());
    }
}
