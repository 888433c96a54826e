//! What stewards and administrators see: that it is what is so, and that nothing secret is in it.

use super::comparing::Fake;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn stewards_see_what_label_studio_lacks() {
    let mut site = site();
    for (name, role) in [("sam", Role::Steward), ("ann", Role::Annotator)] {
        testing::person(&site.store, name, role);
    }
    let fake = Fake::default();
    CONFIG.clone_into(&mut fake.config.lock().unwrap());
    let (address, _server) = fake.serve().await;
    site.studio.settings.url = format!("http://{address}");
    let desk = testing::desk(Arc::clone(&site.store));
    let app = page::router(desk, std::slice::from_ref(&site.studio));
    let served = Served::start(app).await;

    let (status, listed) = served.ask("sam", "GET /api/label-studio", &Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(listed["projects"][0]["path"], "/label-studio/mood/SECRET");
    assert_eq!(listed["settings"][0]["name"], "USE_DEFAULT_BANNED_SUBNETS");
    assert!(!listed.to_string().contains(SECRET));
    let (status, found) = served.ask("sam", "GET /api/label-studio/mood", &Value::Null).await;
    assert_eq!(status, 200, "{found}");
    let asked = &found["findings"][1];
    assert_eq!(asked["what"], "its project can be asked, and asks for what the project here does");
    assert_eq!(asked["fault"], Value::Null);
    assert!(found["findings"][2]["fault"].is_string(), "it has no backend: {found}");

    "<View/>".clone_into(&mut fake.config.lock().unwrap());
    let (_, found) = served.ask("sam", "GET /api/label-studio/mood", &Value::Null).await;
    assert!(found["findings"][1]["fault"].is_string(), "{found}");
    for (who, line, expected) in [
        ("ann", "GET /api/label-studio", 403),
        ("ann", "GET /api/label-studio/mood", 403),
        ("sam", "GET /api/label-studio/other", 404),
        ("nobody", "GET /api/label-studio", 401),
    ] {
        assert_eq!(served.ask(who, line, &Value::Null).await.0, expected, "{who} {line}");
    }
}
