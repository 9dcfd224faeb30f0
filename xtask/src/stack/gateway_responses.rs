//! API Gateway's own answers (401, 404, 5xx), with the template's words.
//!
//! AWS reads them from the API's definition, where SAM puts them. The emulator reads everything else from
//! there, but accepts these answers only through their own API calls. So they are set here, from the deployed
//! template.

use crate::stack::aws::Aws;
use anyhow::{Context, Result};
use serde_json::Value;

/// The key under which SAM puts them into the API's definition.
const EXTENSION: &str = "x-amazon-apigateway-gateway-responses";

/// Sets the answers of the deployed API, and deploys it again, because they take effect with a deployment.
pub(crate) fn set(aws: &Aws, stack: &str) -> Result<()> {
    let template: Value = serde_json::from_str(&aws.template(stack)?).context("the deployed template")?;
    let resources = aws.resources(stack)?;
    let kind = |kind: &str| resources.iter().find(|resource| resource.kind == kind);
    let api = kind("AWS::ApiGateway::RestApi").context("the template has no API")?;
    let stage = kind("AWS::ApiGateway::Stage").context("the template has no API stage")?;
    let wanted = &template["Resources"][&api.logical_id]["Properties"]["Body"][EXTENSION];
    for (kind, response) in wanted.as_object().into_iter().flatten() {
        aws.put_gateway_response(&api.physical_id, kind, response)?;
    }
    aws.deploy_api(&api.physical_id, &stage.physical_id)
}
