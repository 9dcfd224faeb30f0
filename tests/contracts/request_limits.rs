//! How many requests a user may send in a minute: in the template, and in what Rust says of it.

use crate::template::Template;
use oslira_domain::RequestClass;

#[test]
fn the_description_tells_the_limits_that_a_deployment_has_by_default() {
    let template = Template::read();
    for (class, name) in [(RequestClass::Read, "ReadsPerMinute"), (RequestClass::Write, "WritesPerMinute")] {
        let default = template.parameter(name)["Default"].as_u64();
        assert_eq!(
            default,
            Some(class.usual_limit().into()),
            "{name} in infra/template.yaml and RequestClass::usual_limit must be the same"
        );
    }
}
