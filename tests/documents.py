"""Documents made on the spot, by the libraries that read them or by hand."""

from __future__ import annotations

import io
from collections.abc import Sequence


def pdf(pages: Sequence[str]) -> bytes:
    """A PDF with these pages of text in Latin letters."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for i, page in enumerate(pages):
        shown = "".join(f"({line.translate({40: None, 41: None, 92: None})}) Tj T*\n" for line in page.split("\n"))
        stream = f"BT /F1 9 Tf 11 TL 40 780 Td\n{shown}ET"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {5 + 2 * i} 0 R"
            " /Resources << /Font << /F1 3 0 R >> >> >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    out, offsets = io.BytesIO(b""), list[int]()
    out.write(b"%PDF-1.4\n")
    for number, one in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(f"{number} 0 obj\n{one}\nendobj\n".encode("latin-1"))
    at = out.tell()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode())
    out.write(f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{at}\n%%EOF\n".encode())
    return out.getvalue()


def encrypted_pdf() -> bytes:
    """A PDF that wants a password nobody has."""
    key = "<" + "28" * 32 + ">"
    encrypt = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O {key} /U {key} /P -4 >> /ID [<00> <00>]"
    return pdf(["secret"]).replace(b"/Root 1 0 R", f"/Root 1 0 R {encrypt}".encode())


def docx() -> bytes:
    """A title, two headings with text, a table."""
    from docx import Document

    document = Document()
    document.add_heading("House rules", 0)
    document.add_paragraph("Nobody smokes in the marmalade cellar.")
    document.add_heading("Kitchen", 1)
    document.add_paragraph("The wombat washes up on Fridays.")
    table = document.add_table(rows=2, cols=2)
    for row, texts in enumerate((("who", "what"), ("Ada", "floors"))):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    document.add_heading("Oven", 2)
    document.add_paragraph("Preheat to 220 degrees.")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def pptx() -> bytes:
    """Two slides, the second with notes and a table."""
    from pptx import Presentation
    from pptx.util import Inches

    deck = Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[0])
    first.shapes.title.text = "Gardens of the north"
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "Moss"
    box = second.shapes.add_textbox(Inches(1), Inches(2), Inches(3), Inches(1))
    box.text_frame.text = "Grows on the shaded side"
    table = second.shapes.add_table(1, 2, Inches(1), Inches(4), Inches(3), Inches(1)).table
    table.cell(0, 0).text, table.cell(0, 1).text = "height", "two centimetres"
    second.notes_slide.notes_text_frame.text = "Mention the quagga"
    out = io.BytesIO()
    deck.save(out)
    return out.getvalue()


def xlsx(rows: int = 3) -> bytes:
    """A sheet called Harvest with so many rows, the second of them empty, and another sheet."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Harvest"
    for row in range(1, rows + 1):
        if row != 2:
            sheet.cell(row, 1, f"barrel {row}")
            sheet.cell(row, 3, row * 1.5)
    book.create_sheet("Notes")["B2"] = "picked in the rain"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
