"""The browser and what is driven with go together."""

from tests.support.browser import Checker, Opener, scrolls_sideways


async def test_the_browser_reads_a_page(open_page: Opener, violations: Checker) -> None:
    page = await open_page()
    await page.set_content(
        "<html lang=en><title>A page</title><main><h1>Here</h1><img src=x>"
        "<div style='width: 3000px'>wide</div>"
    )
    assert any(one.startswith("image-alt") for one in await violations(page))
    assert await scrolls_sideways(page)
